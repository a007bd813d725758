package anthropic

import (
	"cmp"
	"encoding/json"

	"github.com/headgate-mesh/headgate/dialect"
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
	if err := cmp.Or(dialect.CheckPrompt(p), expressible(s)); err != nil {
		return nil, err
	}
	r := request{Model: model, MaxTokens: defaultMaxTokens, System: p.GetSystem(), Stream: stream, StopSequences: s.GetStopSequences()}
	if s != nil {
		r.Temperature, r.TopP, r.TopK = s.Temperature, s.TopP, s.TopK
		if s.MaxOutputTokens != nil {
			r.MaxTokens = s.GetMaxOutputTokens()
		}
	}
	for _, m := range p.GetMessages() {
		if m.GetRole() == llmv1.Role_ROLE_SYSTEM {
			r.System = joined(r.System, m)
			continue
		}
		r.Messages = append(r.Messages, encodeTurn(m))
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
	case s.GetTemperature() < 0 || s.GetTemperature() > 1:
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

// encodeTurn writes a message that [dialect.CheckPrompt] has passed. A refusal is text here.
func encodeTurn(m *llmv1.Message) turn {
	t := turn{Role: "user", Content: make([]textBlock, 0, len(m.GetParts()))}
	if m.GetRole() == llmv1.Role_ROLE_ASSISTANT {
		t.Role = "assistant"
	}
	for _, part := range m.GetParts() {
		text := part.GetText().GetText()
		if r := part.GetRefusal(); r != nil {
			text = r.GetText()
		}
		t.Content = append(t.Content, textBlock{"text", text})
	}
	return t
}
