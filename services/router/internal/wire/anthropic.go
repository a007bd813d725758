package wire

import (
	"net/http"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

// Anthropic is the dialect of api.anthropic.com. The client's anthropic-version passes unchanged: the versions accept
// different requests. Requests that Headgate makes itself pin the version that takes sampling parameters.
func Anthropic() *Wire {
	return &Wire{
		Dialect:         llmv1.Dialect_DIALECT_ANTHROPIC,
		BaseURL:         "https://api.anthropic.com",
		ModelsPath:      "/v1/models?limit=1000",
		RequestHeaders:  []string{"anthropic-version", "anthropic-beta"},
		QueryParameters: []string{"beta"},
		FixedHeaders:    map[string]string{"Anthropic-Version": "2023-06-01"},
		ResponseHeader:  anthropicResponseHeader,
		RequestIDHeader: "Request-Id",
		Authorize:       func(h http.Header, key string) { h.Set("X-Api-Key", key) },

		Raw: map[routerv1.Operation]Raw{
			routerv1.Operation_OPERATION_CHAT: {
				Path:    "/v1/messages",
				Rewrite: anthropic.Rewrite,
				NewTap:  func(f dialect.Facts) Tap { return anthropic.NewTap(f) },
				Read:    whole(anthropic.ReadResponse),
			},
			routerv1.Operation_OPERATION_COUNT_TOKENS: {
				Path:    "/v1/messages/count_tokens",
				Rewrite: anthropic.Rewrite,
				Read:    whole(readCount),
			},
		},
		Chat: Chat{
			Path:   "/v1/messages",
			Encode: anthropic.EncodeRequest,
			Decode: func(body []byte, _ http.Header) (*llmv1.Completion, error) {
				return anthropic.DecodeResponse(body, true)
			},
			NewDecoder: func(extensions bool) Decoder { return anthropic.NewDecoder(extensions) },
		},
		Count: &Count{Path: "/v1/messages/count_tokens", Encode: anthropic.EncodeCountRequest, Decode: anthropic.DecodeCountResponse},

		DecodeModels: anthropic.DecodeModels,
		DecodeError:  dialect.DecodeError,
		IsError:      anthropic.IsError,
		ErrorBody:    anthropic.ErrorBody,
	}
}

// readCount checks a count; nothing was consumed by it.
func readCount(body []byte) (dialect.Reading, error) {
	_, err := anthropic.DecodeCountResponse(body)
	return dialect.Reading{}, err
}

func anthropicResponseHeader(name string) bool {
	return sharedResponseHeader(name) || hasAnyPrefix(name, "anthropic-ratelimit-", "anthropic-priority-")
}
