// Package relay implements headgate.router.v1.RelayService: a client's bytes out, a provider's bytes back, as they come;
// translated, once, where the provider speaks another dialect than the client.
package relay

import (
	"context"

	"google.golang.org/grpc"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/answers"
	"github.com/headgate-mesh/headgate/services/router/internal/attempt"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/edge"
	"github.com/headgate-mesh/headgate/services/router/internal/estimate"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// Server is the service. Safe for concurrent use.
type Server struct {
	routerv1.UnimplementedRelayServiceServer

	planner *plan.Planner
	desk    *account.Desk
	answers *answers.Answers
	edges   map[llmv1.Dialect]*edge.Edge
}

// New builds the service over a planner; the desk keeps the books of its calls, the answers keep what may be asked again,
// or nothing where they are nil.
func New(p *plan.Planner, d *account.Desk, a *answers.Answers) *Server {
	return &Server{planner: p, desk: d, answers: a, edges: map[llmv1.Dialect]*edge.Edge{
		llmv1.Dialect_DIALECT_OPENAI:    edge.OpenAI(),
		llmv1.Dialect_DIALECT_ANTHROPIC: edge.Anthropic(),
	}}
}

// Relay implements RelayService.
func (s *Server) Relay(r *routerv1.RelayRequest, out grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
	c := &call{
		server: s, out: out, request: r, edge: s.edges[r.GetDialect()],
		requestID: meta.RequestID(out.Context()), consumed: rpc.Consumed(out.Context()),
	}
	if c.edge == nil || c.edge.ReadFacts[r.GetOperation()] == nil {
		return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "the dialect has no such operation")
	}
	if err := c.readFacts(r.GetBody()); err != nil {
		return err
	}
	p, err := s.planner.Make(out.Context(), c.plan())
	if err != nil {
		return err
	}
	if c.books, err = s.desk.Open(out.Context(), c.ask(p)); err != nil {
		return err
	}
	defer c.books.Close()
	if done, err := c.fromCache(out.Context(), p); done {
		return err
	}
	defer c.fill.Close()
	ctx, cancel := attempt.Deadline(out.Context(), p.Targets, p.Wishes.Timeout)
	defer cancel()
	return c.run(ctx, p.Targets)
}

// readFacts reads what the body says about itself.
func (c *call) readFacts(body []byte) (err error) {
	c.facts, err = c.edge.ReadFacts[c.request.GetOperation()](body)
	return err
}

// plan is what the planner needs to know. It may change the body.
func (c *call) plan() plan.Ask {
	c.content = plan.Body{JSON: c.request.GetBody(), Reread: c.readFacts}
	return plan.Ask{
		Operation: operations[c.request.GetOperation()], Dialect: c.edge.Dialect, Model: c.facts.Model, Stream: c.facts.Stream,
		Input: estimate.Body(c.request.GetBody()), Output: c.facts.MaxOutputTokens, Content: &c.content,
	}
}

// ask is what the books need to know beforehand.
func (c *call) ask(p plan.Plan) account.Ask {
	return account.Ask{
		Operation: operations[c.request.GetOperation()], Dialect: c.edge.Dialect, Model: p.Model, Stream: c.facts.Stream,
		Input: p.Input, Output: c.facts.MaxOutputTokens, Wishes: p.Wishes,
	}
}

// body is the client's, but for what a rule took out of it.
func (c *call) body() []byte { return c.content.JSON }

// operations are the names under which attempts are observed.
var operations = map[routerv1.Operation]string{
	routerv1.Operation_OPERATION_CHAT:         observe.Chat,
	routerv1.Operation_OPERATION_EMBED:        observe.Embeddings,
	routerv1.Operation_OPERATION_COUNT_TOKENS: observe.CountTokens,
}

// run tries the targets; the last one's error answer is the client's to read.
func (c *call) run(ctx context.Context, targets []catalog.Target) error {
	err := attempt.Run(ctx, targets, func(ctx context.Context, t catalog.Target, n attempt.Number) (settled bool, err error) {
		ctx, seen := c.books.Attempt(ctx, t)
		defer func() { seen.End(err) }()
		p := &pump{call: c, seen: seen, number: n, more: n.More, head: &routerv1.RelayHead{
			Provider: t.Provider.Name, Model: t.Model, Attempts: int32(n.Attempts), //nolint:gosec // a handful
		}}
		if t.Provider.Speaks(c.edge.Dialect, c.request.GetOperation()) {
			return c.relay(ctx, t, p)
		}
		return c.translate(ctx, t, p)
	})
	switch {
	case c.told:
		return nil
	case c.unshown != nil && !provider.Unasked(err):
		return c.unshown()
	}
	return gaveUp(err)
}

// gaveUp marks a failure after which a repetition by the client would only repeat what was tried here (promise S2).
func gaveUp(err error) error {
	if !provider.AtFault(err) {
		return err
	}
	return fault.From(err).With("final", "true")
}
