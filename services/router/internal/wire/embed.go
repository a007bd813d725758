package wire

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
)

// encodeEmbed asks for base64: a quarter of the size, and the answer is read whichever form it has.
func encodeEmbed(in *llmv1.EmbeddingInput, model string) ([]byte, error) {
	return openai.EncodeEmbedRequest(in, model, true), nil
}

func decodeEmbed(body []byte) (*providerv1.EmbedResponse, error) {
	e, err := openai.DecodeEmbedResponse(body, true)
	if err != nil {
		return nil, err
	}
	return &providerv1.EmbedResponse{Embeddings: e.List, Model: e.Model, Usage: e.Usage, Extensions: e.Extensions}, nil
}

// readEmbed reads an answer in the form that its request asked for.
func readEmbed(answer, request []byte) ([]byte, dialect.Reading, error) {
	return openai.ReadEmbedResponse(answer, openai.WantsBase64(request))
}
