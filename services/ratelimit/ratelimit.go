// Package ratelimit is the service that holds requests, tokens, concurrency and money to their limits, over any number of
// routers. It decides for each call, or grants routers a stock in advance.
//
// Where its accounts are lost, with this process or with Redis, rates and places begin anew, and budgets are closed for two
// seconds, until the ledger has what routers had written down; so they are after the first start. A budget can then be
// overrun by what was under way at the loss and still is when it opens, no more; see package seed.
package ratelimit

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/guard"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/ledger"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/seed"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/serve"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/memory"
)

// Deps are what the service is given.
type Deps struct {
	// Logger is required.
	Logger *slog.Logger
	// Clock tells the time where accounts are in memory; Redis has its own. Default time.Now.
	Clock func() time.Time
	// Lookup finds a key by its id. Default: none is found.
	Lookup func(ctx context.Context, keyID string) (auth.Principal, bool)
	// Usage leads to the usage service, whose ledger opens budgets. Without it they start at zero wherever nothing is known
	// of them, after a restart too, and a line of the log says so.
	Usage grpc.ClientConnInterface
}

// Service keeps accounts. Safe for concurrent use.
type Service struct {
	guard  *guard.Guard
	seeder *seed.Seeder
	server *serve.Server
	close  func() error
}

// New builds the service of a configuration. It doesn't wait for Redis.
func New(cfg Config, deps Deps) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	remote, closeRemote, err := open(cfg)
	if err != nil {
		return nil, err
	}
	g := guard.New(guard.Options{
		Remote: remote, Local: memory.New(deps.Clock), Timeout: cfg.Timeout, Instances: cfg.Instances,
		Grace: cfg.BudgetGrace, Name: rand.Text(), Logger: deps.Logger,
	})
	seeder := seed.New(seed.Options{Ledger: ledgerOf(deps), Accounts: g, Logger: deps.Logger})
	s := &Service{
		guard: g, seeder: seeder, close: closeRemote,
		server: &serve.Server{Guard: g, Seeder: seeder, Lookup: deps.Lookup, Valid: cfg.LeaseTime},
	}
	s.SetTenants(cfg.Tenants)
	return s, nil
}

// ledgerOf is what budgets are opened from.
func ledgerOf(deps Deps) seed.Ledger {
	if deps.Usage != nil {
		return ledger.New(deps.Usage)
	}
	deps.Logger.Warn("budgets begin at zero with each start: the ledger can't be asked what was spent", "missing", "peers.usage")
	return nil
}

// SetTenants replaces the limits of whole tenants, as quotas are told; who asks for a reservation sends those in force.
func (s *Service) SetTenants(tenants map[string]Limits) {
	all := make(map[string]*ratelimitv1.Limits, len(tenants))
	for name, l := range tenants {
		all[name] = l.Proto()
	}
	s.server.SetTenants(all)
}

// Register adds RateLimitService to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	ratelimitv1.RegisterRateLimitServiceServer(r, s.server)
}

// Validate checks a request message of RateLimitService; other messages pass.
func (s *Service) Validate(m proto.Message) error { return serve.Validate(m) }

// Degraded reports whether the shared store doesn't answer and this instance decides alone.
func (s *Service) Degraded() bool { return s.guard.Degraded() }

// Drain ends the streams of routers, so that they don't hold up the end of the server: each opens another, elsewhere.
func (s *Service) Drain() { s.server.Drain() }

// Run keeps the accounts until ctx ends, and then gives up the connections to Redis.
func (s *Service) Run(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { s.guard.Run(ctx) })
	both.Go(func() { s.seeder.Run(ctx) })
	both.Wait()
	return s.close()
}
