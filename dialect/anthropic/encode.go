package anthropic

import (
	"encoding/json"
	"fmt"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// defaultMaxTokens is sent where a prompt names no bound: Anthropic requires one.
const defaultMaxTokens = 4096

type request struct {
	Model         string   `json:"model"`
	MaxTokens     int64    `json:"max_tokens"`
	System        string   `json:"system,omitempty"`
	Messages      []turn   `json:"messages"`
	Stream        bool     `json:"stream,omitempty"`
	Temperature   *float64 `json:"temperature,omitempty"`
	TopP          *float64 `json:"top_p,omitempty"`
	TopK          *int64   `json:"top_k,omitempty"`
	StopSequences []string `json:"stop_sequences,omitempty"`
}

type turn struct {
	Role    string      `json:"role"`
	Content []textBlock `json:"content"`
}

type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// EncodeRequest writes a prompt as a messages request. What Anthropic can't express is a *fault.Error that names the
// field.
func EncodeRequest(model string, p *llmv1.Prompt, stream bool) ([]byte, error) {
	s := p.GetSampling()
	if err := expressible(s); err != nil {
		return nil, err
	}
	r := request{Model: model, MaxTokens: defaultMaxTokens, System: p.GetSystem(), Stream: stream, StopSequences: s.GetStopSequences()}
	if s != nil {
		r.Temperature, r.TopP, r.TopK = s.Temperature, s.TopP, s.TopK
		if s.MaxOutputTokens != nil {
			r.MaxTokens = s.GetMaxOutputTokens()
		}
	}
	for i, m := range p.GetMessages() {
		if m.GetRole() == llmv1.Role_ROLE_SYSTEM {
			r.System = joined(r.System, m)
			continue
		}
		t, err := encodeTurn(i, m)
		if err != nil {
			return nil, err
		}
		r.Messages = append(r.Messages, t)
	}
	if len(r.Messages) == 0 {
		return nil, fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "prompt.messages needs a message that isn't ROLE_SYSTEM for Anthropic").
			With("field", "prompt.messages")
	}
	return json.Marshal(r)
}

func expressible(s *llmv1.Sampling) error {
	switch {
	case s == nil:
		return nil
	case s.Seed != nil:
		return unsupported("seed")
	case s.FrequencyPenalty != nil:
		return unsupported("frequency_penalty")
	case s.PresencePenalty != nil:
		return unsupported("presence_penalty")
	case s.Temperature != nil && s.GetTemperature() > 1:
		return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "prompt.sampling.temperature: Anthropic takes 0 to 1").
			With("field", "prompt.sampling.temperature")
	}
	return nil
}

func unsupported(name string) error {
	field := "prompt.sampling." + name
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s: Anthropic has no such parameter; leave it out", field).With("field", field)
}

// joined adds a system message to the instructions: they have one place in this dialect.
func joined(system string, m *llmv1.Message) string {
	for _, part := range m.GetParts() {
		if system != "" {
			system += "\n\n"
		}
		system += part.GetText().GetText()
	}
	return system
}

func encodeTurn(i int, m *llmv1.Message) (turn, error) {
	t := turn{}
	switch m.GetRole() {
	case llmv1.Role_ROLE_USER:
		t.Role = "user"
	case llmv1.Role_ROLE_ASSISTANT:
		t.Role = "assistant"
	default:
		return t, fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "prompt.messages[%d].role must be ROLE_SYSTEM, ROLE_USER or ROLE_ASSISTANT", i).
			With("field", fmt.Sprintf("prompt.messages[%d].role", i))
	}
	for _, part := range m.GetParts() {
		switch kind := part.GetKind().(type) {
		case *llmv1.Part_Text:
			t.Content = append(t.Content, textBlock{"text", kind.Text.GetText()})
		case *llmv1.Part_Refusal:
			t.Content = append(t.Content, textBlock{"text", kind.Refusal.GetText()})
		}
	}
	return t, nil
}
