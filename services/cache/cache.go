// Package cache is the service that keeps whole answers, for the tenant that got them, until they are old or withdrawn.
package cache

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	"github.com/headgate-mesh/headgate/services/cache/internal/memory"
	"github.com/headgate-mesh/headgate/services/cache/internal/redis"
	"github.com/headgate-mesh/headgate/services/cache/internal/server"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// Deps are what the cache is given.
type Deps struct {
	// Logger is required.
	Logger *slog.Logger
	// Meter counts what calls come to. Default: none.
	Meter metric.Meter
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Service is the cache. Safe for concurrent use.
type Service struct {
	server *server.Server
	store  store.Store
}

// New builds the cache of a valid configuration. It doesn't wait for a Redis: while that is away every lookup is a miss.
func New(cfg Config, deps Deps) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s, err := open(cfg, deps)
	if err != nil {
		return nil, err
	}
	front, err := server.New(s, server.Options{
		MaxEntry: int(cfg.MaxEntry), TTL: cfg.TTL, MaxTTL: cfg.MaxTTL, LookupTimeout: cfg.LookupTimeout,
		Logger: deps.Logger, Meter: deps.Meter, Now: deps.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return &Service{server: front, store: s}, nil
}

func open(cfg Config, deps Deps) (store.Store, error) {
	if cfg.Backend == memoryBackend {
		return memory.New(memory.Options{MaxBytes: int64(cfg.MaxBytes), MaxEntry: int64(cfg.MaxEntry), Now: deps.Now}), nil
	}
	return redis.New(redis.Options{
		URL: cfg.RedisURL.Reveal(), Cluster: cfg.RedisCluster, Pool: cfg.RedisPool, Timeout: cfg.RedisTimeout,
		Logger: deps.Logger, Now: deps.Now,
	})
}

// Register adds CacheService to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { cachev1.RegisterCacheServiceServer(r, s.server) }

// Validate checks a request message of the service; other messages pass.
func (s *Service) Validate(m proto.Message) error { return server.Validate(m) }

// Run clears out what is old until ctx ends, and then gives up the connections to a Redis.
func (s *Service) Run(ctx context.Context) error {
	s.store.Run(ctx)
	<-ctx.Done()
	return s.store.Close()
}
