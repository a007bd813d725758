package anthropic

import (
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Encoder writes the steps of the shared vocabulary as a stream. Events that say where they stood in a frame make that
// frame again, exactly; all others are written as Anthropic's own server writes them, which is what its SDKs demand:
// message_start once and first, blocks numbered from 0 and never side by side, message_delta and message_stop at the end.
// It belongs to one goroutine.
type Encoder struct {
	model  string
	framer framer
	// frame are the events so far of a frame that is not complete.
	frame []*llmv1.StreamEvent

	// started, closed and stopped say that message_start, message_delta and message_stop were written.
	started, closed, stopped bool
	// blocks counts the blocks so far; block is the one that goes on.
	blocks int
	block  block
	// hidden are the places of parts that Anthropic's clients aren't shown.
	hidden []int32
	end    ending
	usage  *llmv1.TokenUsage
}

// NewEncoder returns an encoder for one stream. Where the answer names no model, it is a.Model.
func NewEncoder(a dialect.Ask) *Encoder { return &Encoder{model: a.Model} }

// Encode appends the frames that an event completes, maybe none. The error is a *fault.Error, UNSUPPORTED, for what can't
// be said in a stream of this dialect: a second choice, and parts whose deltas come by turns.
func (e *Encoder) Encode(dst []byte, event *llmv1.StreamEvent) ([]byte, error) {
	switch event.GetFrame() {
	case llmv1.FramePlace_FRAME_PLACE_INSIDE:
		e.frame = append(e.frame, event)
		return dst, nil
	case llmv1.FramePlace_FRAME_PLACE_LAST:
		e.frame = append(e.frame, event)
		return e.same(dst), nil
	}
	switch kind := event.GetEvent().(type) {
	case *llmv1.StreamEvent_Start:
		return e.start(dst, kind.Start), nil
	case *llmv1.StreamEvent_PartStart:
		return e.begin(dst, kind.PartStart)
	case *llmv1.StreamEvent_PartDelta:
		return e.delta(dst, kind.PartDelta)
	case *llmv1.StreamEvent_PartEnd:
		return e.stop(dst, kind.PartEnd)
	case *llmv1.StreamEvent_Usage:
		e.usage = kind.Usage
	case *llmv1.StreamEvent_Finish:
		return e.finish(dst, kind.Finish)
	}
	return dst, nil
}

// same writes the frame that the events at hand were.
func (e *Encoder) same(dst []byte) []byte {
	name, data := e.framer.frame(e.frame)
	data = object.Patch(data, e.frame[len(e.frame)-1].GetExtensions())
	clear(e.frame)
	e.frame = e.frame[:0]
	switch name {
	case "":
		return dst
	case "message_start":
		e.started = true
	case "message_delta":
		e.closed = true
	case "message_stop":
		e.stopped = true
	}
	return sse.Append(dst, name, data)
}

func (e *Encoder) start(dst []byte, s *llmv1.StreamStart) []byte {
	if e.started {
		return dst
	}
	e.started = true
	if s.GetModel() == "" {
		s = &llmv1.StreamStart{Id: s.GetId(), Model: e.model}
	}
	w := writer{Writer: &object.Writer{}}
	w.messageStart(s, e.usage)
	return sse.Append(dst, "message_start", w.Bytes())
}

func (e *Encoder) finish(dst []byte, f *llmv1.StreamFinish) ([]byte, error) {
	if f.GetChoice() != 0 {
		return dst, oneChoice()
	}
	e.end.reason, e.end.raw, e.end.stopSequence = f.GetReason(), f.GetRawReason(), f.GetStopSequence()
	return dst, nil
}

// End appends what closes the stream of a complete answer.
func (e *Encoder) End(dst []byte) []byte {
	if e.stopped {
		return dst
	}
	if !e.closed {
		dst = e.close(e.start(dst, nil))
		w := writer{Writer: &object.Writer{}}
		f := &llmv1.StreamFinish{RawReason: e.end.word(), StopSequence: e.end.stopSequence}
		u := e.usage
		if u == nil {
			u = &llmv1.TokenUsage{}
		}
		w.messageDelta(f, u)
		dst = sse.Append(dst, "message_delta", w.Bytes())
	}
	e.closed, e.stopped = true, true
	return sse.Append(dst, "message_stop", []byte(`{"type":"message_stop"}`))
}

func oneChoice() error {
	return unsupportedStream("the provider gives several answers at once, and Anthropic's streams hold one; ask for one (n)")
}

func interleaved() error {
	return unsupportedStream("the provider mixes the parts of its answer, which Anthropic's streams can't show; ask without a stream")
}

func unsupportedStream(why string) error {
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "stream: %s", why).With("field", "stream")
}

// deltaFrame appends a frame with one string in it: the hot path.
func deltaFrame(dst []byte, index int, head string, text string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	dst = append(append(dst, `,"delta":{"type":`...), head...)
	dst = rawjson.Quote(dst, []byte(text))
	return append(dst, "}}\n\n"...)
}
