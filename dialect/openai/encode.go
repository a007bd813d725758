package openai

import (
	"cmp"
	"encoding/json"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// maxStops is how many stop sequences OpenAI takes.
const maxStops = 4

type request struct {
	Model               string          `json:"model"`
	Messages            []requestTurn   `json:"messages"`
	Stream              bool            `json:"stream,omitempty"`
	StreamOptions       map[string]bool `json:"stream_options,omitempty"`
	MaxCompletionTokens *int64          `json:"max_completion_tokens,omitempty"`
	Temperature         *float64        `json:"temperature,omitempty"`
	TopP                *float64        `json:"top_p,omitempty"`
	Stop                []string        `json:"stop,omitempty"`
	Seed                *int64          `json:"seed,omitempty"`
	FrequencyPenalty    *float64        `json:"frequency_penalty,omitempty"`
	PresencePenalty     *float64        `json:"presence_penalty,omitempty"`
}

type requestTurn struct {
	Role    string `json:"role"`
	Content any    `json:"content"`
}

type textPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type refusalPart struct {
	Type    string `json:"type"`
	Refusal string `json:"refusal"`
}

// EncodeRequest writes a prompt as a chat request. What OpenAI can't express is a *fault.Error that names the field.
func EncodeRequest(model string, p *llmv1.Prompt, stream bool) ([]byte, error) {
	s := p.GetSampling()
	if err := cmp.Or(dialect.CheckPrompt(p), expressible(s)); err != nil {
		return nil, err
	}
	r := request{Model: model, Stream: stream, Stop: s.GetStopSequences()}
	if stream {
		r.StreamOptions = map[string]bool{"include_usage": true}
	}
	if s != nil {
		r.MaxCompletionTokens, r.Temperature, r.TopP, r.Seed = s.MaxOutputTokens, s.Temperature, s.TopP, s.Seed
		r.FrequencyPenalty, r.PresencePenalty = s.FrequencyPenalty, s.PresencePenalty
	}
	if p.GetSystem() != "" {
		r.Messages = append(r.Messages, requestTurn{Role: "system", Content: p.GetSystem()})
	}
	for _, m := range p.GetMessages() {
		r.Messages = append(r.Messages, encodeTurn(m))
	}
	return json.Marshal(r)
}

func expressible(s *llmv1.Sampling) error {
	switch {
	case s != nil && s.TopK != nil:
		return unsupported("prompt.sampling.top_k", "OpenAI has no such parameter; leave it out")
	case len(s.GetStopSequences()) > maxStops:
		return unsupported("prompt.sampling.stop_sequences", "OpenAI takes at most 4")
	}
	return nil
}

func unsupported(field, why string) error {
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s: %s", field, why).With("field", field)
}

// encodeTurn writes a message that [dialect.CheckPrompt] has passed. A single text is a string, as most servers expect.
func encodeTurn(m *llmv1.Message) requestTurn {
	turn := requestTurn{Role: roleOf(m.GetRole())}
	if text := m.GetParts()[0].GetText(); text != nil && len(m.GetParts()) == 1 {
		turn.Content = text.GetText()
		return turn
	}
	parts := make([]any, 0, len(m.GetParts()))
	for _, part := range m.GetParts() {
		if r := part.GetRefusal(); r != nil {
			parts = append(parts, refusalPart{"refusal", r.GetText()})
		} else {
			parts = append(parts, textPart{"text", part.GetText().GetText()})
		}
	}
	turn.Content = parts
	return turn
}

func roleOf(r llmv1.Role) string {
	switch r {
	case llmv1.Role_ROLE_SYSTEM:
		return "system"
	case llmv1.Role_ROLE_ASSISTANT:
		return "assistant"
	}
	return "user"
}
