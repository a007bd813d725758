package anthropic

import (
	"slices"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Decoder turns a stream's frames into the steps of the shared vocabulary: start and the count so far, the parts, then the
// finish and the totals. With extensions every frame gives events, and an [Encoder] writes the same frames from them;
// without, frames that tell nothing give none. It belongs to one goroutine.
type Decoder struct {
	blocks blocks
	// framer writes frames as the encoder will, to know what that leaves out.
	framer framer
	// open are the blocks that were begun and not stopped.
	open []openBlock
	// parts counts the parts so far.
	parts int32
	usage usage
	// finish is what the message_delta said; told says that it was handed out.
	finish        *llmv1.StreamFinish
	told          bool
	started, done bool
	// id is the answer's.
	id string
}

// openBlock is a block that goes on.
type openBlock struct {
	// at is Anthropic's number of it, part the place of its part.
	at   int64
	part int32
	kind partKind
	// input is the input that a call began with, held back: what is streamed later replaces it.
	input []byte
}

// partKind is what deltas of a block are for.
type partKind uint8

const (
	nativeKind partKind = iota
	textKind
	reasoningKind
	callKind
)

// NewDecoder returns a decoder for one stream.
func NewDecoder(extensions bool) *Decoder {
	return &Decoder{blocks: blocks{keep: extensions}}
}

// Done reports whether message_stop was seen.
func (d *Decoder) Done() bool { return d.done }

// Decode returns the events that one frame completes. Errors are *fault.Error: PROVIDER_ERROR for the provider's own, and
// PROVIDER_MALFORMED.
func (d *Decoder) Decode(f sse.Frame) ([]*llmv1.StreamEvent, error) {
	if f.Comment || d.done {
		return nil, nil
	}
	if string(f.Event) == "error" {
		return nil, providerError(f.Data)
	}
	var s step
	if err := s.read(f.Data); err != nil || !s.named(f.Event) {
		return nil, malformed(err)
	}
	if !d.started && string(f.Event) != "message_start" {
		if known(f.Event) { // pings and events to come may stand before the answer
			return nil, malformed(nil)
		}
	}
	if d.anew(string(f.Event), &s) {
		return nil, malformed(nil)
	}
	events := d.events(string(f.Event), &s)
	if d.blocks.keep {
		return d.placed(f, events), nil
	}
	return events, nil
}

// anew reports whether another answer begins in the middle of this one, as where a proxy lost its upstream and asked again
// (vercel/ai#18331): what was told can't be taken back, and the two together are neither.
func (d *Decoder) anew(name string, s *step) bool {
	if name != "message_start" || !d.started || d.blocks.keep || d.parts == 0 {
		return false
	}
	var id string
	setText(&id, rawjson.Get(s.message, "id"))
	return id != "" && id != d.id
}

func (d *Decoder) events(name string, s *step) []*llmv1.StreamEvent {
	switch name {
	case "message_start":
		return d.start(s)
	case "content_block_start":
		return d.begin(s)
	case "content_block_delta":
		return d.delta(s)
	case "content_block_stop":
		if i := d.find(s); i >= 0 {
			return d.shut(nil, i)
		}
	case "message_delta":
		return d.finished(s)
	case "message_stop":
		return d.end()
	}
	return nil
}

// start begins the answer, once: a second message_start, which a broken proxy sends, only counts.
func (d *Decoder) start(s *step) []*llmv1.StreamEvent {
	counted := rawjson.Get(s.message, "usage")
	d.usage.read(counted)
	if d.started {
		return nil
	}
	d.started = true
	start := &llmv1.StreamStart{}
	setText(&start.Id, rawjson.Get(s.message, "id"))
	d.id = start.GetId()
	setText(&start.Model, rawjson.Get(s.message, "model"))
	events := []*llmv1.StreamEvent{{Event: &llmv1.StreamEvent_Start{Start: start}}}
	return d.count(events, counted)
}

// count adds the count so far, where the frame holds one.
func (d *Decoder) count(events []*llmv1.StreamEvent, raw []byte) []*llmv1.StreamEvent {
	if rawjson.Kind(raw) != 'o' {
		return events
	}
	u := d.usage.total()
	if d.blocks.keep {
		u = d.usage.totalOf(raw)
	}
	return append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: u}})
}

// number is a block's; negative where the frame names none.
func (s *step) number() int64 {
	if n, ok := rawjson.Int(s.index); ok {
		return n
	}
	return -1
}

func (d *Decoder) find(s *step) int {
	n := s.number()
	return slices.IndexFunc(d.open, func(b openBlock) bool { return b.at == n })
}

// begin opens a part. Its beginning comes as deltas, so that whoever reads the events has one place to look for it.
func (d *Decoder) begin(s *step) []*llmv1.StreamEvent {
	part := d.blocks.answer(s.block)
	if part == nil || s.number() < 0 || d.told {
		return nil
	}
	var events []*llmv1.StreamEvent
	if i := d.find(s); i >= 0 { // a block that was never stopped
		events = d.shut(events, i)
	}
	b := openBlock{at: s.number(), part: d.parts}
	d.parts++
	first := b.split(part)
	d.open = append(d.open, b)
	events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Index: b.part, Part: part}}})
	return append(events, first...)
}

// split takes a part's beginning out of it.
func (b *openBlock) split(part *llmv1.Part) (first []*llmv1.StreamEvent) {
	switch kind := part.GetKind().(type) {
	case *llmv1.Part_Text:
		b.kind = textKind
		if text := kind.Text.GetText(); text != "" {
			first, kind.Text.Text = append(first, textDelta(b.part, text)...), ""
		}
		for _, c := range kind.Text.GetCitations() {
			first = append(first, deltaEvent(&llmv1.PartDelta{Index: b.part, Delta: &llmv1.PartDelta_Citation{Citation: c}}))
		}
		kind.Text.Citations = nil
	case *llmv1.Part_Reasoning:
		if kind.Reasoning.GetRedacted() != "" {
			return nil
		}
		b.kind = reasoningKind
		if text := kind.Reasoning.GetText(); text != "" {
			first, kind.Reasoning.Text = append(first, textDelta(b.part, text)...), ""
		}
		if signature := kind.Reasoning.GetSignature(); signature != "" {
			first, kind.Reasoning.Signature = append(first, deltaEvent(signed(b.part, signature))), ""
		}
	case *llmv1.Part_ToolCall:
		b.kind = callKind
		if kind.ToolCall.GetArguments() != "{}" {
			b.input = []byte(kind.ToolCall.GetArguments())
		}
		kind.ToolCall.Arguments = ""
	}
	return first
}

// shut closes an open part.
func (d *Decoder) shut(events []*llmv1.StreamEvent, i int) []*llmv1.StreamEvent {
	b := d.open[i]
	d.open = slices.Delete(d.open, i, i+1)
	if len(b.input) > 0 {
		events = append(events, deltaEvent(argued(b.part, string(b.input))))
	}
	return append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{Index: b.part}}})
}

func (d *Decoder) shutAll(events []*llmv1.StreamEvent) []*llmv1.StreamEvent {
	for len(d.open) > 0 {
		events = d.shut(events, 0)
	}
	return events
}

// finished takes the end of the answer. Without extensions it is held back until nothing can follow it any more; with
// them it belongs to this frame.
func (d *Decoder) finished(s *step) []*llmv1.StreamEvent {
	d.usage.read(s.usage)
	if word, ok := rawjson.Unquote(s.stopReason); ok {
		d.finish = &llmv1.StreamFinish{Reason: finishReason(string(word)), RawReason: string(word)}
		setText(&d.finish.StopSequence, s.stopSequence)
	}
	if !d.blocks.keep {
		return nil
	}
	var events []*llmv1.StreamEvent
	if d.finish != nil && !d.told {
		d.told = true
		events = append(d.shutAll(events), finishEvent(d.finish))
	}
	return d.count(events, s.usage)
}

func finishEvent(f *llmv1.StreamFinish) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Finish{Finish: f}}
}

// end closes what is open. Every answer has a finish, also where the provider gave no reason.
func (d *Decoder) end() []*llmv1.StreamEvent {
	d.done = true
	events := d.shutAll(nil)
	if d.finish == nil {
		d.finish = &llmv1.StreamFinish{}
	}
	if !d.told {
		events = append(events, finishEvent(d.finish))
	}
	if u := d.usage.total(); u != nil && !d.blocks.keep {
		events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: u}})
	}
	return events
}

// providerError is the error of a frame, its message word for word, with the status that its type stands for.
func providerError(data []byte) error {
	p := dialect.DecodeError(500, data)
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", p.Message).
		With("http_status", strconv.Itoa(statusOf(p.Type))).With("provider_code", p.Type)
}
