// Package relay implements headgate.router.v1.RelayService: a client's bytes out, a provider's bytes back, as they come;
// translated, once, where the provider speaks another dialect than the client.
package relay

import (
	"context"

	"google.golang.org/grpc"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/answers"
	"github.com/headgate-mesh/headgate/services/router/internal/attempt"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/incoming"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// Server is the service. Safe for concurrent use.
type Server struct {
	routerv1.UnimplementedRelayServiceServer

	planner *plan.Planner
	desk    *account.Desk
	answers *answers.Answers
	edges   incoming.Edges
}

// New builds the service over a planner; the desk keeps the books of its calls, the answers keep what may be asked again,
// or nothing where they are nil.
func New(p *plan.Planner, d *account.Desk, a *answers.Answers) *Server {
	return &Server{planner: p, desk: d, answers: a, edges: incoming.NewEdges()}
}

// Relay implements RelayService.
func (s *Server) Relay(r *routerv1.RelayRequest, out grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
	request, err := s.edges.Read(r.GetDialect(), r.GetOperation(), r.GetBody())
	if err != nil {
		return err
	}
	c := &call{
		Request: request, server: s, out: out, request: r,
		requestID: meta.RequestID(out.Context()), consumed: rpc.Consumed(out.Context()),
	}
	p, err := s.planner.Make(out.Context(), c.Plan())
	if err != nil {
		return err
	}
	if c.books, err = s.desk.Open(out.Context(), c.Account(p)); err != nil {
		return err
	}
	defer c.books.Close()
	p.Targets = c.books.Targets()
	ahead, done, err := c.fromCache(out.Context(), p)
	if done {
		return err
	}
	ctx, cancel := attempt.Deadline(out.Context(), p.Targets, p.Wishes.Timeout)
	defer cancel()
	if ahead != nil {
		if done, err := c.fromAhead(ctx, ahead); done {
			return err
		}
	}
	defer c.fill.Close()
	return c.run(ctx, p.Targets)
}

// run tries the targets; the last one's error answer is the client's to read.
func (c *call) run(ctx context.Context, targets []catalog.Target) error {
	err := attempt.Run(ctx, targets, func(ctx context.Context, t catalog.Target, n attempt.Number) (settled bool, err error) {
		asItIs := t.Provider.Speaks(c.Edge.Dialect, c.Operation)
		if !asItIs {
			if err := c.read(); err != nil {
				return true, err // the client's own mistake: nobody is asked
			}
		}
		ctx, seen := c.books.Attempt(ctx, t)
		defer func() { seen.End(err) }()
		p := &pump{call: c, seen: seen, number: n, more: n.More, head: &routerv1.RelayHead{
			Provider: t.Provider.Name, Model: t.Model, Attempts: int32(n.Attempts), //nolint:gosec // a handful
		}}
		if asItIs {
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
