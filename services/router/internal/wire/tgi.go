package wire

import (
	"net/http"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
)

// TGI is Text Generation Inference's Messages API, below a server's root. No client is handed its bytes: their quirks
// break the vendors' SDKs.
func TGI() *Wire {
	return &Wire{
		ModelsPath:      "/v1/models",
		RequestIDHeader: "X-Request-Id",
		ResponseHeader:  func(string) bool { return false },
		Authorize:       bearer,
		Chat:            tgiChat(),
		Count:           tgiCount(),
		DecodeModels:    openai.DecodeModels,
		DecodeError:     tgiError,
	}
}

// TGIGenerate is Text Generation Inference's own API, for models without a chat template.
func TGIGenerate() *Wire {
	w := TGI()
	w.Chat, w.Count = tgiGenerate(), nil
	return w
}

// tgiError reads an error. 424 is TGI's word for a failure of its own.
func tgiError(status int, body []byte) dialect.ProviderError {
	p := dialect.DecodeError(status, body)
	if p.Status == http.StatusFailedDependency {
		p.Status = http.StatusBadGateway
	}
	return p
}
