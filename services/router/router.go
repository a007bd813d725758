// Package router is the service that finds a model for a request and carries the answer back: typed over RouterService,
// in the client's own dialect over RelayService. It alone knows the providers' credentials.
package router

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/chat"
	"github.com/headgate-mesh/headgate/services/router/internal/jobs"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/relay"
)

// Deps are what the router is given; those up to Version are required.
type Deps struct {
	Logger *slog.Logger
	Tracer trace.Tracer
	Meter  metric.Meter
	// Version names the build; providers see it in the user agent.
	Version string
	// RateLimit, Cache and Usage reach the services of these names. Without RateLimit nothing is limited, without Cache
	// nothing is kept, without Usage nothing is written down.
	RateLimit, Cache, Usage grpc.ClientConnInterface
	// DataDir holds the local log of what calls consume. Required with Usage.
	DataDir string
	// Secret is the mesh's root secret. Required with Cache. Without it a job at a provider doesn't find the key that it was
	// made with after a start, where there are several.
	Secret auth.Secret
	// Prices is the table of the ledger's costs; nil leaves them unknown.
	Prices *price.Table
	// Spare reports whether the process has room for a call that can wait, which a rule may say of any; nil always has.
	Spare func() bool
}

// Service is the router. Safe for concurrent use.
type Service struct {
	planner *plan.Planner
	books   *books
	chat    *chat.Server
	relay   *relay.Server
	jobs    *jobs.Server
	build   build

	mu      sync.Mutex
	engine  *engine
	engines chan *engine // those that come in force
}

// New builds the router of a valid configuration.
func New(cfg Config, deps Deps) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	observer, err := observe.New(deps.Logger, deps.Tracer, deps.Meter)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	about := build{version: deps.Version, marks: deps.Secret.Derive("marks of providers' keys")}
	e, err := newEngine(cfg, about, &engine{})
	if err != nil {
		return nil, err
	}
	b, err := openBooks(cfg, deps)
	if err != nil {
		return nil, err
	}
	if err := b.measure(deps.Meter); err != nil {
		return nil, err
	}
	p := plan.New(e.setup, plan.Options{Spare: deps.Spare, Logger: deps.Logger})
	if err := measureTargets(deps.Meter, p.Catalog); err != nil {
		return nil, err
	}
	desk := b.desk(deps, observer)
	return &Service{
		planner: p, books: b, chat: chat.New(p, desk), relay: relay.New(p, desk, b.answers), jobs: jobs.New(p, desk),
		build: about, engine: e, engines: make(chan *engine, 1),
	}, nil
}

// Reload brings another configuration in force, as a whole or, with an error, not at all. Calls under way go on by the one
// before; what is known of targets that stay is kept. The usage log isn't touched. Prices nil leaves costs unknown.
func (s *Service) Reload(cfg Config, prices *price.Table) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := newEngine(cfg, s.build, s.engine)
	if err != nil {
		return err
	}
	s.planner.Use(e.setup)
	s.books.use(cfg, prices)
	s.engine = e
	select {
	case <-s.engines: // nobody has run it yet
	default:
	}
	s.engines <- e
	return nil
}

// Register adds RouterService, RelayService and JobService to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	routerv1.RegisterRouterServiceServer(r, s.chat)
	routerv1.RegisterRelayServiceServer(r, s.relay)
	routerv1.RegisterJobServiceServer(r, s.jobs)
}

// Validate checks a request message of the router's services; other messages pass.
func (s *Service) Validate(m proto.Message) error { return cmp.Or(chat.Validate(m), jobs.Validate(m)) }

// Run asks self-hosted providers how busy and how well they are, renews what is held of limits and ships what was written
// down, until ctx ends; then it gives up idle connections and closes the local log. The server that it is registered at has
// to be stopped before.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.runEngines(ctx) })
	err := s.books.run(ctx)
	wg.Wait()
	return err
}

// runEngines runs what belongs to the providers of the configuration in force.
func (s *Service) runEngines(ctx context.Context) {
	running := make(map[*member]context.CancelFunc)
	var wg sync.WaitGroup
	defer wg.Wait()
	s.mu.Lock()
	e := s.engine
	s.mu.Unlock()
	for {
		for _, m := range e.members {
			if running[m] == nil {
				own, cancel := context.WithCancel(ctx)
				running[m] = cancel
				wg.Go(func() { m.run(own, ctx) })
			}
		}
		for m, cancel := range running {
			if e.members[m.name] != m {
				cancel()
				delete(running, m)
			}
		}
		select {
		case <-ctx.Done():
			for _, cancel := range running {
				cancel()
			}
			return
		case e = <-s.engines:
		}
	}
}

func newModel(name string, m Model, named map[string]catalog.Provider, cfg Config, base Timeouts) catalog.Model {
	strategy, _ := catalog.StrategyOf(m.Strategy)
	model := catalog.Model{Name: name, Strategy: strategy, Cache: m.Cache}
	for _, target := range m.Targets {
		p, _ := cfg.Providers.Get(target.Provider)
		t := m.Timeouts.Over(p.Timeouts.Over(base))
		model.Targets = append(model.Targets, catalog.Target{
			Provider: named[target.Provider].Provider, Model: target.Model,
			Silences: silences(t), Total: t.Total,
			Standing: named[target.Provider].Standing.Target(target.Model), Strategy: strategy, Weight: target.weight(),
		})
	}
	return model
}

func silences(t Timeouts) provider.Silences {
	return provider.Silences{FirstContent: t.FirstContent, Gap: t.Gap}
}
