package openai

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
	showUsage bool
	reading   dialect.Reading
	ended     bool
}

// NewTap returns a tap for the answer to a request with these facts.
func NewTap(f dialect.Facts) *Tap { return &Tap{showUsage: f.IncludeUsage} }

// Reading returns what the frames so far told.
func (t *Tap) Reading() dialect.Reading { return t.reading }

// chunk is what one event says, before it is judged.
type chunk struct {
	failed, usage, choices, anyChoice, content bool
}

// Read judges one frame.
func (t *Tap) Read(f sse.Frame) dialect.Verdict {
	switch {
	case t.ended:
		return dialect.Verdict{Action: dialect.Drop}
	case f.Comment:
		return dialect.Verdict{}
	case bytes.Equal(bytes.TrimSpace(f.Data), []byte("[DONE]")):
		t.ended = true
		return dialect.Verdict{Action: dialect.Terminal}
	}
	var c chunk
	if err := t.readChunk(f.Data, &c); err != nil {
		t.ended = true
		return dialect.Verdict{Action: dialect.Malformed}
	}
	switch {
	case c.failed || string(f.Event) == "error":
		t.ended = true
		return dialect.Verdict{Action: dialect.Failed}
	case c.usage && c.choices && !c.anyChoice && !t.showUsage:
		return dialect.Verdict{Action: dialect.Drop}
	}
	return dialect.Verdict{Content: c.content}
}

func (t *Tap) readChunk(data []byte, c *chunk) error {
	return rawjson.Object(data, dialect.MaxDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "error":
			c.failed = rawjson.Kind(m.Value) != 'n'
		case "usage":
			if rawjson.Kind(m.Value) == 'o' {
				c.usage = true
				t.reading.Usage = readUsage(m.Value)
			}
		case "choices":
			c.choices = rawjson.Array(m.Value, func(choice []byte) bool {
				c.anyChoice = true
				t.readChoice(choice, c)
				return true
			})
		case "id":
			setOnce(&t.reading.ID, m.Value)
		case "model":
			setOnce(&t.reading.Model, m.Value)
		}
		return true
	})
}

func (t *Tap) readChoice(choice []byte, c *chunk) {
	_ = rawjson.Object(choice, dialect.MaxDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "delta":
			c.content = c.content || shows(m.Value)
		case "finish_reason":
			if word, ok := rawjson.Unquote(m.Value); ok {
				t.reading.RawFinish = string(word)
				t.reading.Finish = finishReason(t.reading.RawFinish)
			}
		}
		return true
	})
}

// shows reports whether a delta shows the client something: everything but the role and empty values does.
func shows(delta []byte) bool {
	found := false
	_ = rawjson.Object(delta, dialect.MaxDepth, func(m rawjson.Member) bool {
		if string(m.Name) == "role" {
			return true
		}
		found = rawjson.Kind(m.Value) != 'n' && !bytes.Equal(m.Value, []byte(`""`)) && !bytes.Equal(m.Value, []byte(`[]`))
		return !found
	})
	return found
}

func setOnce(field *string, value []byte) {
	if *field != "" {
		return
	}
	if text, ok := rawjson.Unquote(value); ok {
		*field = string(text)
	}
}

func finishReason(word string) llmv1.FinishReason {
	switch word {
	case "stop":
		return llmv1.FinishReason_FINISH_REASON_STOP
	case "length":
		return llmv1.FinishReason_FINISH_REASON_LENGTH
	case "tool_calls", "function_call":
		return llmv1.FinishReason_FINISH_REASON_TOOL_CALL
	case "content_filter":
		return llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	}
	return llmv1.FinishReason_FINISH_REASON_UNSPECIFIED
}

// readUsage reads a usage object: cached tokens are part of prompt tokens, reasoning tokens of completion tokens.
func readUsage(value []byte) *llmv1.TokenUsage {
	u := &llmv1.TokenUsage{}
	_ = rawjson.Object(value, dialect.MaxDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "prompt_tokens":
			u.InputTokens, _ = rawjson.Int(m.Value)
		case "completion_tokens":
			u.OutputTokens, _ = rawjson.Int(m.Value)
		case "prompt_tokens_details":
			u.CachedInputTokens, _ = rawjson.Int(rawjson.Get(m.Value, "cached_tokens"))
			u.CacheWriteTokens, _ = rawjson.Int(rawjson.Get(m.Value, "cache_write_tokens"))
		case "completion_tokens_details":
			u.ReasoningTokens, _ = rawjson.Int(rawjson.Get(m.Value, "reasoning_tokens"))
		}
		return true
	})
	return u
}

// ReadResponse reads a whole answer. The error, a *fault.Error, is PROVIDER_MALFORMED for what isn't a chat completion.
func ReadResponse(body []byte) (dialect.Reading, error) {
	t := Tap{}
	var c chunk
	if err := t.readChunk(body, &c); err != nil || !c.choices || c.failed {
		return dialect.Reading{}, fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED, "not a chat completion").Because(err)
	}
	return t.reading, nil
}
