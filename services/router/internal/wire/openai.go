package wire

import (
	"net/http"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// OpenAI is the dialect of api.openai.com. The client's organization, project and idempotency headers belong to the
// client's own credential and don't pass.
func OpenAI() *Wire {
	return &Wire{
		Dialect:         llmv1.Dialect_DIALECT_OPENAI,
		DefaultBaseURL:  "https://api.openai.com/v1",
		ChatPath:        "/chat/completions",
		ModelsPath:      "/models",
		RequestHeaders:  []string{"openai-beta"},
		ResponseHeader:  openAIResponseHeader,
		RequestIDHeader: "X-Request-Id",
		Authorize:       func(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) },

		ReadFacts:    openai.ReadFacts,
		Rewrite:      openai.Rewrite,
		NewTap:       func(f dialect.Facts) Tap { return openai.NewTap(f) },
		ReadResponse: openai.ReadResponse,

		EncodeRequest:  openai.EncodeRequest,
		DecodeResponse: openai.DecodeResponse,
		NewDecoder:     func() Decoder { return openai.NewDecoder() },
		DecodeModels:   openai.DecodeModels,

		DecodeError: dialect.DecodeError,
		IsError:     openai.IsError,
		ErrorBody:   openai.ErrorBody,
		ErrorFrame:  openai.ErrorFrame,
	}
}

func openAIResponseHeader(name string) bool {
	return sharedResponseHeader(name) || hasAnyPrefix(name, "x-ratelimit-") ||
		name == "openai-processing-ms" || name == "openai-version" || name == "openai-model"
}
