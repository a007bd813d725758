package openai

import (
	"encoding/json"
	"fmt"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

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
	Content any    `json:"content,omitempty"`
	Refusal string `json:"refusal,omitempty"`
}

type textPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// EncodeRequest writes a prompt as a chat request. What OpenAI can't express is a *fault.Error that names the field.
func EncodeRequest(model string, p *llmv1.Prompt, stream bool) ([]byte, error) {
	s := p.GetSampling()
	if s != nil && s.TopK != nil {
		return nil, fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "prompt.sampling.top_k: OpenAI has no such parameter; leave it out").
			With("field", "prompt.sampling.top_k")
	}
	if len(s.GetStopSequences()) > 4 {
		return nil, fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "prompt.sampling.stop_sequences: OpenAI takes at most 4").
			With("field", "prompt.sampling.stop_sequences")
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
	for i, m := range p.GetMessages() {
		turn, err := encodeTurn(i, m)
		if err != nil {
			return nil, err
		}
		r.Messages = append(r.Messages, turn)
	}
	return json.Marshal(r)
}

func encodeTurn(i int, m *llmv1.Message) (requestTurn, error) {
	turn := requestTurn{}
	switch m.GetRole() {
	case llmv1.Role_ROLE_SYSTEM:
		turn.Role = "system"
	case llmv1.Role_ROLE_USER:
		turn.Role = "user"
	case llmv1.Role_ROLE_ASSISTANT:
		turn.Role = "assistant"
	default:
		return turn, fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "prompt.messages[%d].role must be ROLE_SYSTEM, ROLE_USER or ROLE_ASSISTANT", i).
			With("field", fmt.Sprintf("prompt.messages[%d].role", i))
	}
	var texts []textPart
	for _, part := range m.GetParts() {
		switch kind := part.GetKind().(type) {
		case *llmv1.Part_Text:
			texts = append(texts, textPart{"text", kind.Text.GetText()})
		case *llmv1.Part_Refusal:
			turn.Refusal += kind.Refusal.GetText()
		}
	}
	switch len(texts) {
	case 0:
	case 1:
		turn.Content = texts[0].Text
	default:
		turn.Content = texts
	}
	return turn, nil
}
