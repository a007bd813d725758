package relay

import (
	"context"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/answers"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/incoming"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

type sender interface {
	Send(m *routerv1.RelayResponse) error
}

// call is one client's request over all attempts at answering it. It belongs to one goroutine.
type call struct {
	*incoming.Request

	server    *Server
	out       sender
	request   *routerv1.RelayRequest
	books     *account.Call
	fill      *answers.Fill
	requestID string
	// consumed says that nobody holds a message once it is sent.
	consumed bool

	// prompt, or for embeddings input, and warnings are the translated request, once a target needed it.
	prompt   *llmv1.Prompt
	input    *llmv1.EmbeddingInput
	warnings []string
	// told says that the client has the failure, within its answer: the call itself ends well.
	told bool
	// unshown delivers the error answer that was held back in the hope of a better one.
	unshown func() error
}

// relay asks a provider that speaks the client's dialect.
func (c *call) relay(ctx context.Context, t catalog.Target, p *pump) (settled bool, err error) {
	c.unshown = nil
	a, err := t.Provider.Relay(ctx, provider.Call{
		Dialect: c.Edge.Dialect, Operation: c.Operation,
		Body: c.Body(), Facts: c.Facts, Model: t.Model,
		Headers: c.request.GetHeaders(), Query: c.request.GetQuery(), Silences: t.Silences,
	})
	if err != nil {
		return false, c.inClientsWords(err)
	}
	p.seen.Answered(a.Status, a.UpstreamRequestID)
	p.head.Status, p.head.Headers, p.head.UpstreamRequestId = int32(a.Status), a.Headers, a.UpstreamRequestID //nolint:gosec // an HTTP status
	return p.deliver(a)
}
