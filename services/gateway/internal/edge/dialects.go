package edge

import (
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// OpenAI is the dialect under /v1, but for what is Anthropic's.
func OpenAI() *Dialect {
	return &Dialect{
		ID:             llmv1.Dialect_DIALECT_OPENAI,
		RequestHeaders: []string{"Openai-Beta"},
		ReadFacts:      openai.ReadFacts,
		ErrorBody:      openai.ErrorBody,
		ErrorFrame:     openai.ErrorFrame,
		Status:         (*fault.Error).HTTPStatus,
		Heartbeat:      openai.Heartbeat,
		LimitHeaders:   openai.LimitHeaders,
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
		Status:         anthropic.StatusOf,
		Heartbeat:      anthropic.Heartbeat,
		LimitHeaders: func(set func(name, value string), b dialect.Balance) {
			anthropic.LimitHeaders(set, b, time.Now())
		},
		EncodeModels: anthropic.EncodeModels,
		EncodeModel:  anthropic.EncodeModel,
	}
}
