package anthropic

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

type streamed struct {
	Type         string          `json:"type"`
	Index        int32           `json:"index"`
	Message      response        `json:"message"`
	ContentBlock block           `json:"content_block"`
	Delta        delta           `json:"delta"`
	Usage        json.RawMessage `json:"usage"`
}

type delta struct {
	Type       string `json:"type"`
	Text       string `json:"text"`
	StopReason string `json:"stop_reason"`
}

// Decoder turns events into typed ones. It belongs to one goroutine.
type Decoder struct {
	// open are the places of the parts that are shown and not closed yet, by Anthropic's block index: thinking has none.
	open map[int32]int32
	// parts counts the parts so far.
	parts         int32
	usage         usage
	finish        *llmv1.StreamFinish
	started, done bool
}

// NewDecoder returns a decoder for one stream.
func NewDecoder() *Decoder {
	return &Decoder{open: make(map[int32]int32), finish: &llmv1.StreamFinish{}}
}

// Done reports whether message_stop was seen.
func (d *Decoder) Done() bool { return d.done }

// Decode returns the events that one frame completes. Errors are *fault.Error: PROVIDER_ERROR for the provider's own,
// PROVIDER_MALFORMED, or UNSUPPORTED for what headgate.llm.v1 has no words for.
func (d *Decoder) Decode(f sse.Frame) ([]*llmv1.StreamEvent, error) {
	if f.Comment || d.done {
		return nil, nil
	}
	if string(f.Event) == "error" {
		return nil, providerError(f.Data)
	}
	var e streamed
	if err := parse(f.Data, &e); err != nil {
		return nil, err
	}
	if !d.started && e.Type != "message_start" {
		return nil, d.early(e.Type)
	}
	switch e.Type {
	case "message_start":
		return d.begin(&e), nil
	case "content_block_start":
		return d.start(&e)
	case "content_block_delta":
		return d.say(&e, e.Delta.Text), nil
	case "content_block_stop":
		return d.shut(e.Index), nil
	case "message_delta":
		d.usage.read(e.Usage)
		if e.Delta.StopReason != "" {
			d.finish = &llmv1.StreamFinish{Reason: finishReason(e.Delta.StopReason), RawReason: e.Delta.StopReason}
		}
	case "message_stop":
		return d.end(), nil
	}
	return nil, nil
}

// early refuses what belongs to an answer that hasn't begun; pings and events to come may stand before it.
func (d *Decoder) early(kind string) error {
	switch kind {
	case "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop":
		return malformed(nil)
	}
	return nil
}

func one(e *llmv1.StreamEvent) []*llmv1.StreamEvent { return []*llmv1.StreamEvent{e} }

func (d *Decoder) begin(e *streamed) []*llmv1.StreamEvent {
	d.usage.read(e.Message.Usage)
	if d.started {
		return nil
	}
	d.started = true
	return one(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: e.Message.ID, Model: e.Message.Model}}})
}

func (d *Decoder) start(e *streamed) ([]*llmv1.StreamEvent, error) {
	shown, err := e.ContentBlock.shown()
	if err != nil || !shown {
		return nil, err
	}
	events := d.shut(e.Index) // a block that was never stopped
	index := d.parts
	d.parts++
	d.open[e.Index] = index
	events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Index: index, Part: textOf("")}}})
	return append(events, d.say(e, e.ContentBlock.Text)...), nil
}

func (d *Decoder) say(e *streamed, text string) []*llmv1.StreamEvent {
	index, ok := d.open[e.Index]
	if !ok || text == "" {
		return nil
	}
	return one(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{
		PartDelta: &llmv1.PartDelta{Index: index, Delta: &llmv1.PartDelta_Text{Text: text}},
	}})
}

func (d *Decoder) shut(block int32) []*llmv1.StreamEvent {
	index, ok := d.open[block]
	if !ok {
		return nil
	}
	delete(d.open, block)
	return one(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{Index: index}}})
}

func (d *Decoder) end() []*llmv1.StreamEvent {
	d.done = true
	var events []*llmv1.StreamEvent
	for _, block := range slices.Sorted(maps.Keys(d.open)) {
		events = append(events, d.shut(block)...)
	}
	if u := d.usage.total(); u != nil {
		events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: u}})
	}
	return append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Finish{Finish: d.finish}})
}

// providerError is the error of a frame, its message word for word, with the status that its type stands for.
func providerError(data []byte) error {
	p := dialect.DecodeError(500, data)
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", p.Message).
		With("http_status", strconv.Itoa(statusOf(p.Type))).With("provider_code", p.Type)
}
