package edge

import (
	"github.com/headgate-mesh/headgate/dialect/openai"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
)

// encodeEmbed writes vectors in the form that the request asked for.
func encodeEmbed(r *providerv1.EmbedResponse, request []byte) []byte {
	e := &openai.Embeddings{List: r.GetEmbeddings(), Model: r.GetModel(), Usage: r.GetUsage()}
	for _, one := range e.List {
		one.Extensions = nil
	}
	if e.Usage != nil {
		e.Usage.Extensions = nil
	}
	return openai.EncodeEmbedResponse(e, openai.WantsBase64(request))
}
