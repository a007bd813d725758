package anthropic

import (
	"cmp"
	"slices"

	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// group are the events of one frame, by what they are; at most one of each makes the frame.
type group struct {
	native *llmv1.NativeEvent
	start  *llmv1.StreamStart
	part   *llmv1.PartStart
	finish *llmv1.StreamFinish
	usage  *llmv1.TokenUsage
	end    *llmv1.PartEnd
	deltas []*llmv1.PartDelta
}

func groupOf(events []*llmv1.StreamEvent) group {
	var g group
	for _, e := range events {
		g.native, g.start = cmp.Or(e.GetNative(), g.native), cmp.Or(e.GetStart(), g.start)
		g.part, g.end = cmp.Or(e.GetPartStart(), g.part), cmp.Or(e.GetPartEnd(), g.end)
		g.finish, g.usage = cmp.Or(e.GetFinish(), g.finish), cmp.Or(e.GetUsage(), g.usage)
		if delta := e.GetPartDelta(); delta != nil {
			g.deltas = append(g.deltas, delta)
		}
	}
	return g
}

// framer writes frames from the events that a decoder made of them. The zero framer is ready.
type framer struct {
	// thoughts are the places of the parts whose text is thoughts.
	thoughts []int32
}

// frame writes the frame that the events of one group make, without their extensions: what makes a frame is, in this
// order, a native event, a start, a part's start, a finish or count, a part's end, a delta.
func (f *framer) frame(events []*llmv1.StreamEvent) (name string, data []byte) {
	g := groupOf(events)
	w := writer{Writer: &object.Writer{}, answer: true, partial: true}
	switch {
	case g.native != nil:
		return g.native.GetName(), []byte(g.native.GetJson())
	case g.start != nil:
		w.messageStart(g.start, g.usage)
		return "message_start", w.Bytes()
	case g.part != nil:
		if g.part.GetPart().GetReasoning() != nil {
			f.thoughts = append(f.thoughts, g.part.GetIndex())
		}
		w.blockStart(g.part.GetIndex(), begun(g.part.GetPart(), g.deltas))
		return "content_block_start", w.Bytes()
	case g.finish != nil || g.usage != nil:
		w.messageDelta(g.finish, g.usage)
		return "message_delta", w.Bytes()
	case g.end != nil:
		w.blockStop(g.end.GetIndex())
		return "content_block_stop", w.Bytes()
	case len(g.deltas) > 0:
		w.delta(g.deltas[0], slices.Contains(f.thoughts, g.deltas[0].GetIndex()))
		return "content_block_delta", w.Bytes()
	}
	return "", nil
}

// begun returns a part with the deltas that came with its start.
func begun(part *llmv1.Part, deltas []*llmv1.PartDelta) *llmv1.Part {
	for _, delta := range deltas {
		part = continued(part, delta)
	}
	return part
}

// continued returns a part that goes on with a delta. The parts of events are shared, so it is a copy.
func continued(part *llmv1.Part, delta *llmv1.PartDelta) *llmv1.Part {
	next := &llmv1.Part{Kind: part.GetKind(), Extensions: part.GetExtensions()}
	switch kind := part.GetKind().(type) {
	case *llmv1.Part_Text:
		text := &llmv1.TextPart{Text: kind.Text.GetText() + delta.GetText(), Citations: kind.Text.GetCitations()}
		if c := delta.GetCitation(); c != nil {
			text.Citations = append(text.Citations[:len(text.Citations):len(text.Citations)], c)
		}
		next.Kind = &llmv1.Part_Text{Text: text}
	case *llmv1.Part_Reasoning:
		next.Kind = &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{
			Text: kind.Reasoning.GetText() + delta.GetText(), Signature: kind.Reasoning.GetSignature() + delta.GetSignature(),
			Redacted: kind.Reasoning.GetRedacted(),
		}}
	}
	return next
}

func (w writer) messageStart(s *llmv1.StreamStart, u *llmv1.TokenUsage) {
	w.Object(func() {
		w.Always("type", "message_start")
		w.Name("message")
		w.Object(func() {
			w.Always("id", s.GetId())
			w.Always("type", "message")
			w.Always("role", "assistant")
			w.Always("model", s.GetModel())
			w.Name("content")
			w.Array(func() {})
			w.Null("stop_reason")
			w.Null("stop_sequence")
			w.Name("usage")
			writeUsage(w.Writer, u)
		})
	})
}

func (w writer) blockStart(index int32, part *llmv1.Part) {
	w.Object(func() {
		w.Always("type", "content_block_start")
		w.Number("index", int64(index))
		w.Name("content_block")
		w.write(part)
	})
}

func (w writer) blockStop(index int32) {
	w.Object(func() {
		w.Always("type", "content_block_stop")
		w.Number("index", int64(index))
	})
}

func (w writer) delta(d *llmv1.PartDelta, thoughts bool) {
	w.Object(func() {
		w.Always("type", "content_block_delta")
		w.Number("index", int64(d.GetIndex()))
		w.Name("delta")
		w.Object(func() { w.appended(d, thoughts) })
	})
}

func (w writer) appended(d *llmv1.PartDelta, thoughts bool) {
	switch kind := d.GetDelta().(type) {
	case *llmv1.PartDelta_Text:
		name := "text"
		if thoughts {
			name = "thinking"
		}
		w.Always("type", name+"_delta")
		w.Always(name, kind.Text)
	case *llmv1.PartDelta_Arguments:
		w.Always("type", "input_json_delta")
		w.Always("partial_json", kind.Arguments)
	case *llmv1.PartDelta_Signature:
		w.Always("type", "signature_delta")
		w.Always("signature", kind.Signature)
	case *llmv1.PartDelta_Citation:
		w.Always("type", "citations_delta")
		w.Name("citation")
		writeCitation(w.Writer, kind.Citation)
	}
}

// messageDelta writes the end of an answer; a group without a finish has an empty reason.
func (w writer) messageDelta(f *llmv1.StreamFinish, u *llmv1.TokenUsage) {
	w.Object(func() {
		w.Always("type", "message_delta")
		w.Name("delta")
		w.Object(func() {
			if word := f.GetRawReason(); word != "" {
				w.Always("stop_reason", word)
			} else {
				w.Null("stop_reason")
			}
			w.stopSequence(f.GetStopSequence())
		})
		if u != nil {
			w.Name("usage")
			writeUsage(w.Writer, u)
		}
	})
}
