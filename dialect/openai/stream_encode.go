package openai

import (
	"unicode/utf8"
	"unsafe"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Encoder writes typed events as chunks. It belongs to one goroutine.
type Encoder struct {
	ask dialect.Ask
	// head is how every chunk begins, up to the list of choices; empty before the answer has begun.
	head   []byte
	voices []*voice
	// group is the frame that is being gathered, where events say where they stood in one.
	group   []*llmv1.StreamEvent
	grouped bool
	// usage waits for the end.
	usage *llmv1.TokenUsage
}

// NewEncoder returns an encoder for one stream.
func NewEncoder(a dialect.Ask) *Encoder { return &Encoder{ask: a} }

// Encode appends the frames that an event completes, maybe none. Events that say where they stood in a provider's frames
// give the same frames again; all others are written as OpenAI's own server would, so that the accumulators of its SDKs
// understand them: one id, the role once, the id and name of a call once, one finish_reason in a chunk of its own. The
// error is always nil: OpenAI's streams can say whatever the shared vocabulary can.
func (e *Encoder) Encode(dst []byte, event *llmv1.StreamEvent) ([]byte, error) {
	if place := event.GetFrame(); place != llmv1.FramePlace_FRAME_PLACE_UNSPECIFIED {
		e.grouped = true
		e.group = append(e.group, event)
		if place == llmv1.FramePlace_FRAME_PLACE_LAST {
			dst = e.flush(dst)
		}
		return dst, nil
	}
	if u := event.GetUsage(); u != nil {
		e.usage = u
		return dst, nil
	}
	if delta := event.GetPartDelta(); delta != nil && delta.GetLogProbs() == nil && len(event.GetExtensions()) == 0 {
		if written, ok := e.words(dst, delta); ok {
			return written, nil
		}
	}
	c := e.compose(event)
	if end := event.GetPartEnd(); end != nil {
		e.unargued(&c, end)
	}
	if len(c.choices) == 0 {
		return dst, nil
	}
	return sse.Append(dst, "", e.write(c, event.GetExtensions())), nil
}

// End appends what closes the stream: the usage, where it was asked for, and [DONE].
func (e *Encoder) End(dst []byte) []byte {
	if e.ask.IncludeUsage && e.usage != nil && !e.grouped {
		dst = sse.Append(dst, "", e.write(composed{usage: e.usage}, nil))
	}
	return append(dst, "data: [DONE]\n\n"...)
}

// predict returns the frame that a group of events will be written as, before its extensions.
func (e *Encoder) predict(group []*llmv1.StreamEvent) []byte {
	return e.write(e.compose(group...), nil)
}

// flush writes the group as one frame. One that only tells the usage is for those who asked for it.
func (e *Encoder) flush(dst []byte) []byte {
	group := e.group
	e.group = group[:0]
	last := group[len(group)-1]
	if native := last.GetNative(); native != nil && len(group) == 1 {
		return sse.Append(dst, native.GetName(), []byte(native.GetJson()))
	}
	c := e.compose(group...)
	if len(c.choices) == 0 && c.usage != nil && !e.ask.IncludeUsage {
		return dst
	}
	return sse.Append(dst, c.name, e.write(c, last.GetExtensions()))
}

// begin sets how every chunk begins.
func (e *Encoder) begin(s *llmv1.StreamStart) {
	model := s.GetModel()
	if model == "" {
		model = e.ask.Model
	}
	e.head = append(rawjson.Quote([]byte(`{"id":`), []byte(idOf(s.GetId()))), `,"object":"chat.completion.chunk"`...)
	var w object.Writer
	w.Object(func() {
		w.Number("created", createdAt(s.GetCreatedUnixSeconds()))
		w.Always("model", model)
	})
	fields := w.Bytes()
	e.head = append(append(e.head, ','), fields[1:len(fields)-1]...)
	e.head = append(e.head, `,"choices":[`...)
}

// words writes a delta of text or arguments, which most are, without detours; ok is false where it is none of those.
func (e *Encoder) words(dst []byte, delta *llmv1.PartDelta) (written []byte, ok bool) {
	v := e.find(delta.GetChoice())
	if v == nil || !v.began || len(e.head) == 0 {
		return dst, false
	}
	p := v.part(delta.GetIndex())
	text, plain := wordsOf(delta)
	if p == nil || !plain {
		return dst, false
	}
	var before, after string
	switch p.kind {
	case saying:
		before, after = `,"delta":{"content":`, `}`
		v.characters += int64(utf8.RuneCountInString(text))
	case refusing:
		before, after = `,"delta":{"refusal":`, `}`
	case thinking:
		before, after = `,"delta":{"reasoning":`, `}`
		p.text = append(p.text, text...)
	case calls:
		if p.freeForm {
			return dst, false
		}
		before, after = `,"function":{"arguments":`, `}}]}`
	default:
		return dst, false
	}
	if text == "" {
		return dst, true
	}
	p.argued = true
	dst = append(append(dst, "data: "...), e.head...)
	dst = appendInt(append(dst, `{"index":`...), int64(v.number))
	if p.kind == calls {
		dst = appendInt(append(dst, `,"delta":{"tool_calls":[{"index":`...), int64(p.number))
	}
	dst = rawjson.Quote(append(dst, before...), bytesOf(text))
	dst = append(append(dst, after...), `,"logprobs":null,"finish_reason":null}]`...)
	if e.ask.IncludeUsage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...), true
}

// wordsOf is the text that a delta appends, of whatever kind; plain is false where it appends something else.
func wordsOf(delta *llmv1.PartDelta) (text string, plain bool) {
	switch d := delta.GetDelta().(type) {
	case *llmv1.PartDelta_Text:
		return d.Text, true
	case *llmv1.PartDelta_Arguments:
		return d.Arguments, true
	}
	return "", false
}

// bytesOf is the text's own bytes: they are only read.
func bytesOf(text string) []byte {
	return unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // saves a copy of every word
}
