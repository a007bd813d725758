package mcp

import (
	"errors"
	"fmt"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// linesOf are questions as lines of a batch, in OpenAI's dialect.
func linesOf(list []batchLine) ([]*batchv1.BatchRequest, error) {
	if len(list) == 0 {
		return nil, missing("requests", "is required: one question or more")
	}
	if len(list) > maxBatchRequests {
		return nil, invalid("requests", fmt.Sprintf("must be at most %d; make several batches of them", maxBatchRequests))
	}
	seen := make(map[string]bool, len(list))
	lines := make([]*batchv1.BatchRequest, len(list))
	for i, l := range list {
		body, err := l.body()
		switch {
		case err != nil:
			return nil, within(i, err)
		case l.CustomID == "":
			return nil, within(i, missing("custom_id", "is required: a name of your own by which the answer is found"))
		case seen[l.CustomID]:
			return nil, within(i, invalid("custom_id", "is another request's already; each needs its own"))
		}
		seen[l.CustomID] = true
		lines[i] = &batchv1.BatchRequest{CustomId: l.CustomID, Body: string(body)}
	}
	return lines, nil
}

// within tells of which request an error is.
func within(i int, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	place := fmt.Sprintf("requests[%d].", i)
	return fault.New(f.Reason, "%s%s", place, f.Message).With("field", place+f.Metadata["field"])
}

// openAIBody is a question as OpenAI's clients write it.
type openAIBody struct {
	Model       string          `json:"model"`
	Messages    []openAIMessage `json:"messages"`
	MaxTokens   int64           `json:"max_completion_tokens,omitempty"`
	Temperature *float64        `json:"temperature,omitempty"`
}

type openAIMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func (l batchLine) body() ([]byte, error) {
	p, err := l.prompt()
	if err != nil {
		return nil, err
	}
	if l.MaxOutputTokens < 0 {
		return nil, invalid("max_output_tokens", "must be at least 1")
	}
	b := openAIBody{Model: l.Model, MaxTokens: l.MaxOutputTokens, Temperature: l.Temperature}
	if l.System != "" {
		b.Messages = append(b.Messages, openAIMessage{Role: "system", Content: l.System})
	}
	for _, m := range p.GetMessages() {
		role := "user"
		if m.GetRole() == llmv1.Role_ROLE_ASSISTANT {
			role = "assistant"
		}
		b.Messages = append(b.Messages, openAIMessage{Role: role, Content: m.GetParts()[0].GetText().GetText()})
	}
	return plainJSON(b)
}
