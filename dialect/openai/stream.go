package openai

import (
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Decoder turns chunks into typed events. It belongs to one goroutine.
type Decoder struct {
	started, done bool
	// open is the part that deltas go to, at index; nil where none is open.
	open  *llmv1.Part
	index int32
	usage *llmv1.TokenUsage
	// finish waits for the end: usage comes after it in OpenAI's order, before it in ours.
	finish *llmv1.StreamFinish
}

// NewDecoder returns a decoder for one stream.
func NewDecoder() *Decoder { return &Decoder{} }

// Done reports whether [DONE] was seen.
func (d *Decoder) Done() bool { return d.done }

// Decode returns the events that one frame completes. Errors are *fault.Error: PROVIDER_ERROR for the provider's own,
// PROVIDER_MALFORMED, or UNSUPPORTED for what headgate.llm.v1 has no words for.
func (d *Decoder) Decode(f sse.Frame) ([]*llmv1.StreamEvent, error) {
	if f.Comment || d.done {
		return nil, nil
	}
	if isDone(f.Data) {
		return d.end()
	}
	r, err := parse(f.Data)
	if err != nil {
		return nil, err
	}
	if raises(rawjson.Get(f.Data, "error")) || string(f.Event) == "error" {
		return nil, providerError(f.Data)
	}
	return d.chunk(r)
}

func (d *Decoder) chunk(r *response) ([]*llmv1.StreamEvent, error) {
	if rawjson.Kind(r.Usage) == 'o' {
		d.usage = readUsage(r.Usage)
	}
	events := d.start(r)
	c, ok := r.first()
	if !ok {
		return events, nil
	}
	if err := sayable(c.Delta); err != nil {
		return nil, err
	}
	if c.Delta.Content.text != "" {
		events = d.say(events, textOf(""), c.Delta.Content.text)
	}
	if c.Delta.Refusal != "" {
		events = d.say(events, refusalOf(""), c.Delta.Refusal)
	}
	if c.FinishReason != "" {
		events = d.shut(events)
		d.finish = &llmv1.StreamFinish{Reason: finishReason(c.FinishReason), RawReason: c.FinishReason}
	}
	return events, nil
}

// start opens the answer with the first chunk that says whose it is: Azure's first is about the prompt, and nameless.
func (d *Decoder) start(r *response) []*llmv1.StreamEvent {
	if d.started || (r.ID == "" && len(r.Choices) == 0) {
		return nil
	}
	d.started = true
	return []*llmv1.StreamEvent{{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: r.ID, Model: r.Model}}}}
}

// say appends text to the open part, after opening one of the right kind.
func (d *Decoder) say(events []*llmv1.StreamEvent, kind *llmv1.Part, text string) []*llmv1.StreamEvent {
	if d.open != nil && (d.open.GetText() != nil) != (kind.GetText() != nil) {
		events = d.shut(events)
	}
	if d.open == nil {
		d.open = kind
		events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Index: d.index, Part: kind}}})
	}
	return append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{
		PartDelta: &llmv1.PartDelta{Index: d.index, Delta: &llmv1.PartDelta_Text{Text: text}},
	}})
}

func (d *Decoder) shut(events []*llmv1.StreamEvent) []*llmv1.StreamEvent {
	if d.open == nil {
		return events
	}
	d.open = nil
	d.index++
	return append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{Index: d.index - 1}}})
}

func (d *Decoder) end() ([]*llmv1.StreamEvent, error) {
	if !d.started {
		return nil, malformed(nil)
	}
	d.done = true
	events := d.shut(nil)
	if d.usage != nil {
		events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: d.usage}})
	}
	if d.finish == nil {
		d.finish = &llmv1.StreamFinish{}
	}
	return append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Finish{Finish: d.finish}}), nil
}
