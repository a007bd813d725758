package dialect

import (
	"fmt"
	"math"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// CheckPrompt refuses what no dialect can say: no messages, a message without a role, without parts or with a part that
// is unset, a refusal that isn't the assistant's, a number that isn't one. Errors are *fault.Error with the field's path.
func CheckPrompt(p *llmv1.Prompt) error {
	if len(p.GetMessages()) == 0 {
		return Missing("prompt.messages")
	}
	for i, m := range p.GetMessages() {
		if err := checkMessage(fmt.Sprintf("prompt.messages[%d]", i), m); err != nil {
			return err
		}
	}
	return checkNumbers(p.GetSampling())
}

func checkMessage(path string, m *llmv1.Message) error {
	switch m.GetRole() {
	case llmv1.Role_ROLE_SYSTEM, llmv1.Role_ROLE_USER, llmv1.Role_ROLE_ASSISTANT:
	default:
		return Invalid(path+".role", "must be ROLE_SYSTEM, ROLE_USER or ROLE_ASSISTANT")
	}
	if len(m.GetParts()) == 0 {
		return Missing(path + ".parts")
	}
	for i, part := range m.GetParts() {
		at := fmt.Sprintf("%s.parts[%d]", path, i)
		switch part.GetKind().(type) {
		case *llmv1.Part_Text:
		case *llmv1.Part_Refusal:
			if m.GetRole() != llmv1.Role_ROLE_ASSISTANT {
				return Invalid(at+".refusal", "is for ROLE_ASSISTANT only; send it as text")
			}
		default:
			return Invalid(at, "must be text or a refusal")
		}
	}
	return nil
}

// checkNumbers refuses what JSON has no way to write.
func checkNumbers(s *llmv1.Sampling) error {
	for name, x := range map[string]float64{
		"temperature": s.GetTemperature(), "top_p": s.GetTopP(),
		"frequency_penalty": s.GetFrequencyPenalty(), "presence_penalty": s.GetPresencePenalty(),
	} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Invalid("prompt.sampling."+name, "must be a number")
		}
	}
	return nil
}
