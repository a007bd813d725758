package wire

import (
	"net/http"

	"github.com/headgate-mesh/headgate/dialect/openai"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func tgiChat() Chat {
	return Chat{
		Path:   "/v1/chat/completions",
		Encode: openai.Flavour{MaxTokens: true, NoEffort: true}.EncodeRequest,
		Decode: func(body []byte, _ http.Header) (*llmv1.Completion, error) {
			return openai.DecodeResponse(body, false)
		},
		NewDecoder: func(extensions bool) Decoder { return openai.NewDecoder(extensions) },
	}
}

func tgiGenerate() Chat { return tgiChat() }

func tgiCount() *Count { return nil }
