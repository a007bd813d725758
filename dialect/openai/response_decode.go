package openai

import (
	"cmp"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// DecodeResponse reads a whole answer. With extensions, what has no place in a completion is kept: EncodeResponse writes
// the same JSON again. Errors are *fault.Error: PROVIDER_MALFORMED for what isn't a chat completion, PROVIDER_ERROR for an
// error in its place and for an answer that the provider gave up, and, without extensions, UNSUPPORTED for what
// headgate.llm.v1 has no words for.
func DecodeResponse(body []byte, extensions bool) (*llmv1.Completion, error) {
	if err := rawjson.Check(body, dialect.MaxAnswerDepth); err != nil {
		return nil, malformed(err)
	}
	body = trim(body)
	r, ok := object.Read(body)
	choices := object.Elements(r.Peek("choices"))
	switch {
	case ok && raises(r.Peek("error")):
		return nil, providerError(body)
	case !ok || len(choices) == 0:
		return nil, malformed(nil)
	}
	c := &llmv1.Completion{Id: word(r.Peek("id")), Model: word(r.Peek("model"))}
	c.CreatedUnixSeconds, _ = rawjson.Int(r.Peek("created"))
	if usage := r.Peek("usage"); rawjson.Kind(usage) == 'o' && extensions {
		c.Usage = keepUsage(usage)
	} else if rawjson.Kind(usage) == 'o' {
		c.Usage = readUsage(usage)
	}
	if err := readChoices(c, choices, extensions); err != nil {
		return nil, err
	}
	if extensions {
		c.Extensions = object.Diff(body, EncodeResponse(c))
	}
	return c, nil
}

func readChoices(c *llmv1.Completion, choices [][]byte, extensions bool) error {
	for i, element := range choices {
		choice, err := readChoice(element, extensions)
		if err != nil {
			return err
		}
		if i == 0 {
			c.Message, c.FinishReason, c.RawFinishReason = choice.GetMessage(), choice.GetFinishReason(), choice.GetRawFinishReason()
			c.LogProbs = choice.GetLogProbs()
			continue
		}
		choice.Index = int32(i)
		c.FurtherChoices = append(c.FurtherChoices, choice)
	}
	return nil
}

func readChoice(value []byte, extensions bool) (*llmv1.Choice, error) {
	r, ok := object.Read(value)
	message := r.Peek("message")
	if !ok || rawjson.Kind(message) != 'o' {
		return nil, malformed(nil)
	}
	raw := word(r.Peek("finish_reason"))
	if failedWord(raw) {
		return nil, gaveUp(raw, r.Peek("error"))
	}
	if err := sayable(message, extensions); err != nil {
		return nil, err
	}
	d := messageDecoder{keep: extensions}
	return &llmv1.Choice{
		Message: d.message("", message), FinishReason: finishReason(raw), RawFinishReason: raw,
		LogProbs: readLogProbs(r.Peek("logprobs"), extensions),
	}, nil
}

// sayable refuses what would be lost of a message or a delta where extensions don't keep it.
func sayable(message []byte, extensions bool) error {
	if extensions {
		return nil
	}
	for _, one := range []struct{ name, what string }{{"function_call", "a deprecated function_call"}, {"audio", "sound"}, {"images", "pictures"}} {
		if !rawjson.Empty(rawjson.Get(message, one.name)) {
			return unsayable(one.what)
		}
	}
	return nil
}

func unsayable(what string) error {
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "the model answers with %s, which the typed API can't carry; use POST /v1/chat/completions", what)
}

func malformed(cause error) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED, "not a chat completion").Because(cause)
}

// gaveUp is the error of an answer whose finish_reason says that the server gave up; detail is what it says of it.
func gaveUp(word string, detail []byte) error {
	message := dialect.DecodeError(502, []byte(`{"error":`+cmp.Or(string(detail), "{}")+`}`))
	if rawjson.Empty(detail) {
		message.Message = "the provider gave the answer up (finish_reason " + word + "); try again"
	}
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", message.Message).
		With("http_status", "502").With("provider_code", message.Code)
}

// providerError is the error of a frame, its message word for word, with the status it tells of: vLLM's code, Groq's
// status_code and TGI's http_status_code are one; 502 where there is none.
func providerError(data []byte) error {
	object := rawjson.Get(data, "error")
	status := 502
	for _, value := range [][]byte{
		rawjson.Get(object, "status_code"), rawjson.Get(data, "status_code"), rawjson.Get(object, "http_status_code"),
		rawjson.Get(object, "code"), rawjson.Get(data, "code"),
	} {
		if n, ok := rawjson.Int(value); ok && n >= 400 && n <= 599 {
			status = int(n)
			break
		}
	}
	p := dialect.DecodeError(status, data)
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", p.Message).
		With("http_status", strconv.Itoa(status)).With("provider_code", p.Code)
}
