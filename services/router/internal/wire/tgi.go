package wire

import (
	"net/http"

	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/tgi"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// TGI is Text Generation Inference's Messages API, below a server's root. No client is handed its bytes: their quirks
// break the vendors' SDKs.
func TGI() *Wire {
	return &Wire{
		ModelsPath:      "/v1/models",
		RequestIDHeader: "X-Request-Id",
		ResponseHeader:  func(string) bool { return false },
		Authorize:       bearer,
		Chat: Chat{
			Path:       "/v1/chat/completions",
			Encode:     tgi.EncodeChat,
			Decode:     func(body []byte, _ http.Header) (*llmv1.Completion, error) { return tgi.DecodeChat(body) },
			NewDecoder: func(bool) Decoder { return tgi.NewChatDecoder() },
		},
		Count:        &Count{Path: "/chat_tokenize", Encode: tgi.EncodeChatTokenize, Decode: tgi.DecodeTokenize},
		DecodeModels: openai.DecodeModels,
		DecodeError:  tgi.DecodeError,
	}
}

// TGIGenerate is Text Generation Inference's own API, for models without a chat template.
func TGIGenerate() *Wire {
	w := TGI()
	w.Chat = Chat{
		Path: "/generate", StreamPath: "/generate_stream",
		Encode: tgi.EncodeGenerate,
		Decode: func(body []byte, h http.Header) (*llmv1.Completion, error) {
			return tgi.DecodeGenerate(body, h.Get(tgi.PromptTokensHeader))
		},
		NewDecoder: func(bool) Decoder { return tgi.NewGenerateDecoder() },
	}
	w.Count = &Count{Path: "/tokenize", Encode: tgi.EncodeTokenize, Decode: tgi.DecodeTokenize}
	return w
}
