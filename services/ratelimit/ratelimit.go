// Package ratelimit is the service that holds requests, tokens and concurrency to their limits, over any number of
// routers. It decides for each call, or grants routers a stock in advance.
package ratelimit

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/guard"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/serve"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
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
}

// Service keeps accounts. Safe for concurrent use.
type Service struct {
	guard  *guard.Guard
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
		Name: rand.Text(), Logger: deps.Logger,
	})
	s := &Service{guard: g, server: &serve.Server{Guard: g, Lookup: deps.Lookup, Valid: cfg.LeaseTime}, close: closeRemote}
	s.SetTenants(cfg.Tenants)
	return s, nil
}

// SetTenants replaces the limits of whole tenants, as quotas are told; who asks for a reservation sends those in force.
func (s *Service) SetTenants(tenants map[string]Limits) {
	all := make(map[string]store.Limits, len(tenants))
	for name, l := range tenants {
		all[name] = store.Limits{Requests: l.RequestsPerMinute, Tokens: l.TokensPerMinute, Concurrency: l.ConcurrentRequests}
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
	s.guard.Run(ctx)
	return s.close()
}
