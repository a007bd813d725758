package wire

import (
	"net/http"

	"github.com/headgate-mesh/headgate/dialect/tgi"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func tgiChat() Chat {
	return Chat{
		Path:       "/v1/chat/completions",
		Encode:     tgi.EncodeChat,
		Decode:     func(body []byte, _ http.Header) (*llmv1.Completion, error) { return tgi.DecodeChat(body) },
		NewDecoder: func(bool) Decoder { return tgi.NewChatDecoder() },
	}
}

func tgiGenerate() Chat { return tgiChat() }

func tgiCount() *Count { return nil }
