package wire

import (
	"net/http"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

// OpenAI is the dialect of api.openai.com, in a server's flavour. The client's organization, project and idempotency
// headers belong to the client's own credential and don't pass.
func OpenAI(flavour openai.Flavour) *Wire {
	return &Wire{
		Dialect:         llmv1.Dialect_DIALECT_OPENAI,
		BaseURL:         "https://api.openai.com/v1",
		ModelsPath:      "/models",
		RequestHeaders:  []string{"openai-beta"},
		ResponseHeader:  openAIResponseHeader,
		RequestIDHeader: "X-Request-Id",
		Authorize:       bearer,

		Raw: map[routerv1.Operation]Raw{
			routerv1.Operation_OPERATION_CHAT: {
				Path:    "/chat/completions",
				Rewrite: flavour.Rewrite,
				NewTap:  func(f dialect.Facts) Tap { return openai.NewTap(f) },
				Read:    whole(openai.ReadResponse),
			},
			routerv1.Operation_OPERATION_EMBED: {
				Path:    "/embeddings",
				Rewrite: openai.RewriteModel,
				Read:    readEmbed,
			},
		},
		Chat: Chat{
			Path:   "/chat/completions",
			Encode: flavour.EncodeRequest,
			Decode: func(body []byte, _ http.Header) (*llmv1.Completion, error) {
				return openai.DecodeResponse(body, true)
			},
			NewDecoder: func(extensions bool) Decoder { return openai.NewDecoder(extensions) },
		},
		Embed: &Embed{Path: "/embeddings", Encode: encodeEmbed, Decode: decodeEmbed},

		DecodeModels: openai.DecodeModels,
		DecodeError:  dialect.DecodeError,
		IsError:      openai.IsError,
		ErrorBody:    openai.ErrorBody,
	}
}

func openAIResponseHeader(name string) bool {
	return sharedResponseHeader(name) || hasAnyPrefix(name, "x-ratelimit-") ||
		name == "openai-processing-ms" || name == "openai-version" || name == "openai-model"
}
