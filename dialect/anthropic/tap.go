package anthropic

import (
	"bytes"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Tap reads a stream's frames on their way through. It belongs to one goroutine.
type Tap struct {
	reading dialect.Reading
	usage   usage
	ended   bool
}

// NewTap returns a tap for the answer to a request with these facts.
func NewTap(dialect.Facts) *Tap { return &Tap{} }

// Reading returns what the frames so far told.
func (t *Tap) Reading() dialect.Reading {
	r := t.reading
	r.Usage = t.usage.total()
	return r
}

// Read judges one frame. Every event has a name, which is its data's type; the SDKs drop an event without one, so a
// frame that lacks it, or names another, is damaged.
func (t *Tap) Read(f sse.Frame) dialect.Verdict {
	switch {
	case t.ended:
		return dialect.Verdict{Action: dialect.Drop}
	case f.Comment:
		return dialect.Verdict{}
	}
	v := t.judge(f)
	t.ended = v.Action != dialect.Forward
	return v
}

func (t *Tap) judge(f sse.Frame) dialect.Verdict {
	content, named := false, false
	err := rawjson.Object(f.Data, dialect.MaxDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "type":
			name, ok := rawjson.Unquote(m.Value)
			named = ok && bytes.Equal(name, f.Event)
		case "message":
			t.readMessage(m.Value)
		case "usage":
			t.usage.read(m.Value)
		case "content_block":
			content = content || startsContent(m.Value)
		case "delta":
			t.readDelta(m.Value)
			content = content || string(f.Event) == "content_block_delta"
		}
		return true
	})
	if err != nil || !named {
		return dialect.Verdict{Action: dialect.Malformed}
	}
	switch string(f.Event) {
	case "message_stop":
		return dialect.Verdict{Action: dialect.Terminal}
	case "error":
		return dialect.Verdict{Action: dialect.Failed}
	}
	return dialect.Verdict{Content: content}
}

// startsContent: text and thinking blocks begin empty; every other kind shows something as soon as it begins.
func startsContent(block []byte) bool {
	kind, _ := rawjson.Unquote(rawjson.Get(block, "type"))
	return string(kind) != "text" && string(kind) != "thinking"
}

func (t *Tap) readMessage(message []byte) {
	_ = rawjson.Object(message, dialect.MaxDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "id":
			setText(&t.reading.ID, m.Value)
		case "model":
			setText(&t.reading.Model, m.Value)
		case "usage":
			t.usage.read(m.Value)
		case "stop_reason":
			t.stop(m.Value)
		}
		return true
	})
}

func (t *Tap) readDelta(delta []byte) {
	if stop := rawjson.Get(delta, "stop_reason"); stop != nil {
		t.stop(stop)
	}
}

func (t *Tap) stop(value []byte) {
	if word, ok := rawjson.Unquote(value); ok {
		t.reading.RawFinish = string(word)
		t.reading.Finish = finishReason(t.reading.RawFinish)
	}
}

func setText(field *string, value []byte) {
	if text, ok := rawjson.Unquote(value); ok {
		*field = string(text)
	}
}

func finishReason(word string) llmv1.FinishReason {
	switch word {
	case "end_turn", "stop_sequence":
		return llmv1.FinishReason_FINISH_REASON_STOP
	case "max_tokens", "model_context_window_exceeded":
		return llmv1.FinishReason_FINISH_REASON_LENGTH
	case "tool_use":
		return llmv1.FinishReason_FINISH_REASON_TOOL_CALL
	case "refusal":
		return llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	}
	return llmv1.FinishReason_FINISH_REASON_UNSPECIFIED
}

// ReadResponse reads a whole answer. The error, a *fault.Error, is PROVIDER_MALFORMED for what isn't a message.
func ReadResponse(body []byte) (dialect.Reading, error) {
	if err := rawjson.Check(body, 1000); err != nil {
		return dialect.Reading{}, malformed(err)
	}
	if kind, _ := rawjson.Unquote(rawjson.Get(body, "type")); string(kind) != "message" {
		return dialect.Reading{}, malformed(nil)
	}
	t := Tap{}
	t.readMessage(body)
	return t.Reading(), nil
}

func malformed(cause error) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED, "not a message").Because(cause)
}
