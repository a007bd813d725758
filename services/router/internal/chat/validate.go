package chat

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const (
	maxModelBytes = 256
	maxMessages   = 100_000 // Anthropic's own bound, the largest known
)

// Validate checks a request message before its handler sees it. Errors are MISSING_FIELD and INVALID_FIELD with the
// field's path. What isn't a request of RouterService passes.
func Validate(m proto.Message) error {
	switch r := m.(type) {
	case *routerv1.ChatRequest:
		return question(r.GetModel(), r.GetPrompt())
	case *routerv1.StreamChatRequest:
		return question(r.GetModel(), r.GetPrompt())
	}
	return nil
}

func question(model string, p *llmv1.Prompt) error {
	switch {
	case model == "":
		return missing("model", "name a model; ListModels lists them")
	case len(model) > maxModelBytes:
		return invalid("model", "must be at most %d bytes", maxModelBytes)
	case len(p.GetMessages()) == 0:
		return missing("prompt.messages", "send at least one message")
	case len(p.GetMessages()) > maxMessages:
		return invalid("prompt.messages", "must be at most %d messages", maxMessages)
	}
	for i, m := range p.GetMessages() {
		if err := message(fmt.Sprintf("prompt.messages[%d]", i), m); err != nil {
			return err
		}
	}
	return sampling(p.GetSampling())
}

func message(path string, m *llmv1.Message) error {
	switch m.GetRole() {
	case llmv1.Role_ROLE_SYSTEM, llmv1.Role_ROLE_USER, llmv1.Role_ROLE_ASSISTANT:
	default:
		return invalid(path+".role", "must be ROLE_SYSTEM, ROLE_USER or ROLE_ASSISTANT")
	}
	if len(m.GetParts()) == 0 {
		return missing(path+".parts", "send at least one part")
	}
	for i, p := range m.GetParts() {
		if p.GetKind() == nil {
			return missing(fmt.Sprintf("%s.parts[%d]", path, i), "set text or refusal")
		}
	}
	return nil
}

func sampling(s *llmv1.Sampling) error {
	const path = "prompt.sampling."
	switch {
	case s == nil:
		return nil
	case s.MaxOutputTokens != nil && s.GetMaxOutputTokens() < 1:
		return invalid(path+"max_output_tokens", "must be at least 1")
	case s.Temperature != nil && !within(s.GetTemperature(), 0, 2):
		return invalid(path+"temperature", "must be from 0 to 2")
	case s.TopP != nil && !within(s.GetTopP(), 0, 1):
		return invalid(path+"top_p", "must be from 0 to 1")
	case s.TopK != nil && s.GetTopK() < 1:
		return invalid(path+"top_k", "must be at least 1")
	case s.FrequencyPenalty != nil && !within(s.GetFrequencyPenalty(), -2, 2):
		return invalid(path+"frequency_penalty", "must be from -2 to 2")
	case s.PresencePenalty != nil && !within(s.GetPresencePenalty(), -2, 2):
		return invalid(path+"presence_penalty", "must be from -2 to 2")
	}
	return nil
}

// within is false for NaN.
func within(x, low, high float64) bool { return x >= low && x <= high }

func missing(field, remedy string) error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s is required: %s", field, remedy).With("field", field)
}

func invalid(field, format string, args ...any) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", field, fmt.Sprintf(format, args...)).With("field", field)
}
