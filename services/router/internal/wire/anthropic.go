package wire

import (
	"net/http"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Anthropic is the dialect of api.anthropic.com. The client's anthropic-version passes unchanged: the versions accept
// different requests. Requests that Headgate makes itself pin the version that takes sampling parameters.
func Anthropic() *Wire {
	return &Wire{
		Dialect:         llmv1.Dialect_DIALECT_ANTHROPIC,
		DefaultBaseURL:  "https://api.anthropic.com",
		ChatPath:        "/v1/messages",
		ModelsPath:      "/v1/models?limit=1000",
		RequestHeaders:  []string{"anthropic-version", "anthropic-beta"},
		QueryParameters: []string{"beta"},
		FixedHeaders:    map[string]string{"Anthropic-Version": "2023-06-01"},
		ResponseHeader:  anthropicResponseHeader,
		RequestIDHeader: "Request-Id",
		Authorize:       func(h http.Header, key string) { h.Set("X-Api-Key", key) },

		ReadFacts:    anthropic.ReadFacts,
		Rewrite:      anthropic.Rewrite,
		NewTap:       func(f dialect.Facts) Tap { return anthropic.NewTap(f) },
		ReadResponse: anthropic.ReadResponse,

		EncodeRequest:  anthropic.EncodeRequest,
		DecodeResponse: anthropic.DecodeResponse,
		NewDecoder:     func() Decoder { return anthropic.NewDecoder() },
		DecodeModels:   anthropic.DecodeModels,

		DecodeError: dialect.DecodeError,
		IsError:     anthropic.IsError,
		ErrorBody:   anthropic.ErrorBody,
		ErrorFrame:  anthropic.ErrorFrame,
	}
}

func anthropicResponseHeader(name string) bool {
	return sharedResponseHeader(name) || hasAnyPrefix(name, "anthropic-ratelimit-", "anthropic-priority-")
}
