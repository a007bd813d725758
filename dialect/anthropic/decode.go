package anthropic

import (
	"encoding/json"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

type response struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Model      string          `json:"model"`
	Content    []block         `json:"content"`
	StopReason string          `json:"stop_reason"`
	Usage      json.RawMessage `json:"usage"`
}

type block struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// DecodeResponse reads a whole answer; thinking isn't shown, its tokens are counted. Errors are *fault.Error:
// PROVIDER_MALFORMED, or UNSUPPORTED for what headgate.llm.v1 has no words for.
func DecodeResponse(body []byte) (*llmv1.Completion, error) {
	var r response
	if err := parse(body, &r); err != nil {
		return nil, err
	}
	if r.Type != "message" {
		return nil, malformed(nil)
	}
	message := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
	for _, b := range r.Content {
		shown, err := b.shown()
		if err != nil {
			return nil, err
		}
		if shown {
			message.Parts = append(message.Parts, textOf(b.Text))
		}
	}
	var u usage
	u.read(r.Usage)
	return &llmv1.Completion{
		Id: r.ID, Model: r.Model, Message: message,
		FinishReason: finishReason(r.StopReason), RawFinishReason: r.StopReason, Usage: u.total(),
	}, nil
}

// parse checks text before it decodes it: encoding/json takes invalid UTF-8 for U+FFFD.
func parse(data []byte, into any) error {
	if err := rawjson.Check(data, dialect.MaxAnswerDepth); err != nil {
		return malformed(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return malformed(err)
	}
	return nil
}

// shown tells text from thinking; any other block is an error, for nothing may be lost in silence.
func (b block) shown() (bool, error) {
	switch b.Type {
	case "text":
		return true, nil
	case "thinking", "redacted_thinking":
		return false, nil
	}
	return false, fault.New(errorsv1.Reason_REASON_UNSUPPORTED,
		"the model answers with more than text, which the typed API can't carry yet; use POST /v1/messages")
}

func textOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
}
