// Package jobs implements headgate.router.v1.JobService: lines that can wait go to a provider's own batch API, and their
// answers come back in the words of whoever asked.
package jobs

import (
	"context"

	"github.com/headgate-mesh/headgate/dialect/openai"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/incoming"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Server is the service. Safe for concurrent use.
type Server struct {
	routerv1.UnimplementedJobServiceServer

	planner  *plan.Planner
	desk     *account.Desk
	observer *observe.Observer
	edges    incoming.Edges
	// wires are those of providers with a batch API, which all speak as their vendors do.
	wires map[llmv1.Dialect]*wire.Wire
	mask  *upstream.Mask
}

// New builds the service over a planner; the desk keeps the books of its lines.
func New(p *plan.Planner, d *account.Desk) *Server {
	return &Server{
		planner: p, desk: d, observer: d.Observer, edges: incoming.NewEdges(),
		wires: map[llmv1.Dialect]*wire.Wire{
			llmv1.Dialect_DIALECT_OPENAI:    wire.OpenAI(openai.Flavour{}),
			llmv1.Dialect_DIALECT_ANTHROPIC: wire.Anthropic(),
		},
		mask: upstream.NewMask(),
	}
}

// provider returns a configured provider; nil where there is none of the name.
func (s *Server) provider(name string) *provider.Provider {
	for _, p := range s.planner.Catalog().Providers() {
		if p.Provider.Name == name {
			return p.Provider
		}
	}
	return nil
}

// ask asks the batch API of a provider, under observation. The provider stays as it is until that has ended, even where
// another configuration comes in force.
func (s *Server) ask(ctx context.Context, call, name, field string, ask func(context.Context, *provider.Provider, provider.Batch) error) (err error) {
	p := s.provider(name)
	if p == nil || p.Batch() == nil {
		return fault.New(errorsv1.Reason_REASON_NOT_FOUND,
			"%s names no provider with a batch API; the operator has to configure it, of kind openai or anthropic", field).With("field", field)
	}
	ctx, seen := s.observer.Job(ctx, call, p)
	p.Stats().Begin()
	defer func() {
		p.Stats().End(err)
		seen.End(err)
	}()
	return ask(ctx, p, p.Batch())
}

// job is ask about one that is there.
func (s *Server) job(ctx context.Context, call string, j *routerv1.JobReference, ask func(context.Context, provider.Batch) error) error {
	return s.ask(ctx, call, j.GetProvider(), "job.provider", func(ctx context.Context, _ *provider.Provider, b provider.Batch) error {
		return ask(ctx, b)
	})
}

// FindJob implements JobService.
func (s *Server) FindJob(ctx context.Context, r *routerv1.FindJobRequest) (found *routerv1.FindJobResponse, err error) {
	err = s.ask(ctx, "find", r.GetDescription().GetProvider(), "description.provider",
		func(ctx context.Context, _ *provider.Provider, b provider.Batch) (err error) {
			found, err = b.Find(ctx, r)
			return err
		})
	return found, err
}

// GetJob implements JobService.
func (s *Server) GetJob(ctx context.Context, r *routerv1.GetJobRequest) (state *routerv1.GetJobResponse, err error) {
	err = s.job(ctx, "get", r.GetJob(), func(ctx context.Context, b provider.Batch) (err error) {
		state, err = b.Get(ctx, r.GetJob())
		return err
	})
	return state, err
}

// CancelJob implements JobService.
func (s *Server) CancelJob(ctx context.Context, r *routerv1.CancelJobRequest) (*routerv1.CancelJobResponse, error) {
	err := s.job(ctx, "cancel", r.GetJob(), func(ctx context.Context, b provider.Batch) error { return b.Cancel(ctx, r.GetJob()) })
	return &routerv1.CancelJobResponse{}, err
}
