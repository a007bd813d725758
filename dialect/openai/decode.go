package openai

import (
	"encoding/json"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

type response struct {
	ID      string          `json:"id"`
	Model   string          `json:"model"`
	Choices []choice        `json:"choices"`
	Usage   json.RawMessage `json:"usage"`
}

type choice struct {
	Message      said   `json:"message"`
	Delta        said   `json:"delta"`
	FinishReason string `json:"finish_reason"`
}

type said struct {
	Content   string            `json:"content"`
	Refusal   string            `json:"refusal"`
	ToolCalls []json.RawMessage `json:"tool_calls"`
}

// DecodeResponse reads a whole answer. Errors are *fault.Error: PROVIDER_MALFORMED, or UNSUPPORTED for what
// headgate.llm.v1 has no words for.
func DecodeResponse(body []byte) (*llmv1.Completion, error) {
	var r response
	if err := json.Unmarshal(body, &r); err != nil || len(r.Choices) == 0 {
		return nil, malformed(err)
	}
	first := r.Choices[0]
	if err := sayable(first.Message); err != nil {
		return nil, err
	}
	message := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
	if first.Message.Content != "" {
		message.Parts = append(message.Parts, textOf(first.Message.Content))
	}
	if first.Message.Refusal != "" {
		message.Parts = append(message.Parts, refusalOf(first.Message.Refusal))
	}
	c := &llmv1.Completion{
		Id: r.ID, Model: r.Model, Message: message,
		FinishReason: finishReason(first.FinishReason), RawFinishReason: first.FinishReason,
	}
	if rawjson.Kind(r.Usage) == 'o' {
		c.Usage = readUsage(r.Usage)
	}
	return c, nil
}

func malformed(cause error) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED, "not a chat completion").Because(cause)
}

func sayable(s said) error {
	if len(s.ToolCalls) == 0 {
		return nil
	}
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "the model calls tools, which the typed API can't carry yet; use POST /v1/chat/completions")
}

func textOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
}

func refusalOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Refusal{Refusal: &llmv1.RefusalPart{Text: text}}}
}

// providerError is the error of a frame, its message word for word.
func providerError(data []byte) error {
	p := dialect.DecodeError(502, data)
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", p.Message).With("http_status", "502").With("provider_code", p.Code)
}
