package edge

import (
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// OpenAI is the dialect under /v1, but for what is Anthropic's.
func OpenAI() *Dialect {
	return &Dialect{
		ID:             llmv1.Dialect_DIALECT_OPENAI,
		RequestHeaders: []string{"Openai-Beta"},
		ReadFacts:      openai.ReadFacts,
		ErrorBody:      openai.ErrorBody,
		ErrorFrame:     openai.ErrorFrame,
		Heartbeat:      openai.Heartbeat,
		EncodeModels:   openai.EncodeModels,
		EncodeModel:    openai.EncodeModel,
	}
}

// Anthropic is the dialect under /v1/messages.
func Anthropic() *Dialect {
	return &Dialect{
		ID:             llmv1.Dialect_DIALECT_ANTHROPIC,
		RequestHeaders: []string{"Anthropic-Version", "Anthropic-Beta"},
		ReadFacts:      anthropic.ReadFacts,
		ErrorBody:      anthropic.ErrorBody,
		ErrorFrame:     anthropic.ErrorFrame,
		Heartbeat:      anthropic.Heartbeat,
		EncodeModels:   anthropic.EncodeModels,
		EncodeModel:    anthropic.EncodeModel,
	}
}
