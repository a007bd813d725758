package anthropic

import (
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// textStep is an event with its text, made in one piece: there is one for every few letters of an answer.
type textStep struct {
	event llmv1.StreamEvent
	kind  llmv1.StreamEvent_PartDelta
	delta llmv1.PartDelta
	text  llmv1.PartDelta_Text
	list  [1]*llmv1.StreamEvent
}

// textDelta returns a list of one event.
func textDelta(index int32, text string) []*llmv1.StreamEvent {
	s := &textStep{}
	s.text.Text = text
	s.delta.Index, s.delta.Delta = index, &s.text
	s.kind.PartDelta = &s.delta
	s.event.Event = &s.kind
	s.list[0] = &s.event
	return s.list[:]
}

// argumentsStep is the same for the arguments of a call.
type argumentsStep struct {
	event     llmv1.StreamEvent
	kind      llmv1.StreamEvent_PartDelta
	delta     llmv1.PartDelta
	arguments llmv1.PartDelta_Arguments
	list      [1]*llmv1.StreamEvent
}

func argumentsDelta(index int32, arguments string) []*llmv1.StreamEvent {
	s := &argumentsStep{}
	s.arguments.Arguments = arguments
	s.delta.Index, s.delta.Delta = index, &s.arguments
	s.kind.PartDelta = &s.delta
	s.event.Event = &s.kind
	s.list[0] = &s.event
	return s.list[:]
}

func deltaEvent(delta *llmv1.PartDelta) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{PartDelta: delta}}
}

func signed(index int32, signature string) *llmv1.PartDelta {
	return &llmv1.PartDelta{Index: index, Delta: &llmv1.PartDelta_Signature{Signature: signature}}
}

func argued(index int32, arguments string) *llmv1.PartDelta {
	return &llmv1.PartDelta{Index: index, Delta: &llmv1.PartDelta_Arguments{Arguments: arguments}}
}

// delta continues a part. A delta that doesn't fit its block says nothing.
func (d *Decoder) delta(s *step) []*llmv1.StreamEvent {
	i := d.find(s)
	if i < 0 {
		return nil
	}
	b := &d.open[i]
	switch kind := string(s.deltaKind); {
	case kind == "text_delta" && b.kind == textKind:
		return d.words(b, s.text)
	case kind == "thinking_delta" && b.kind == reasoningKind:
		return d.words(b, s.thinking)
	case kind == "signature_delta" && b.kind == reasoningKind:
		if signature, ok := rawjson.Unquote(s.signature); ok {
			return []*llmv1.StreamEvent{deltaEvent(signed(b.part, string(signature)))}
		}
	case kind == "input_json_delta" && (b.kind == callKind || b.kind == nativeKind):
		return d.argue(b, s.partial)
	case kind == "citations_delta" && b.kind == textKind:
		if c := d.blocks.readCitation(s.citation); c != nil {
			return []*llmv1.StreamEvent{deltaEvent(&llmv1.PartDelta{Index: b.part, Delta: &llmv1.PartDelta_Citation{Citation: c}})}
		}
	}
	return nil
}

// words continues a part by a text; an empty one only counts where every frame does.
func (d *Decoder) words(b *openBlock, value []byte) []*llmv1.StreamEvent {
	text, ok := rawjson.Unquote(value)
	if !ok || len(text) == 0 && !d.blocks.keep {
		return nil
	}
	return textDelta(b.part, string(text))
}

func (d *Decoder) argue(b *openBlock, value []byte) []*llmv1.StreamEvent {
	piece, ok := rawjson.Unquote(value)
	if !ok || len(piece) == 0 && !d.blocks.keep {
		return nil
	}
	if len(piece) > 0 {
		b.input = nil
	}
	return argumentsDelta(b.part, string(piece))
}

// placed says where the events stood: together they were one frame. What the frame holds beside them goes to the
// extensions of the last; a frame that they don't tell at all is a native event.
func (d *Decoder) placed(f sse.Frame, events []*llmv1.StreamEvent) []*llmv1.StreamEvent {
	native := len(events) == 0 || d.done
	if native {
		n := &llmv1.NativeEvent{Name: string(f.Event), Json: string(f.Data)}
		events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Native{Native: n}})
	}
	for _, e := range events {
		e.Frame = llmv1.FramePlace_FRAME_PLACE_INSIDE
	}
	last := events[len(events)-1]
	last.Frame = llmv1.FramePlace_FRAME_PLACE_LAST
	if !native {
		_, predicted := d.framer.frame(events)
		last.Extensions = object.Diff(trimmed(f.Data), predicted)
	}
	return events
}
