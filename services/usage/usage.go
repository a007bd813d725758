// Package usage is the service that keeps the ledger: the durable record of what every attempt consumed and cost.
package usage

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/server"
	"github.com/headgate-mesh/headgate/services/usage/internal/sqlite"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// Deps are what the service is given.
type Deps struct {
	// Logger is required.
	Logger *slog.Logger
	// DataDir is where the ledger is kept unless the configuration names a file. Required.
	DataDir string
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Service is the ledger. Safe for concurrent use.
type Service struct {
	cfg    Config
	deps   Deps
	store  store.Store
	server *server.Server
}

// New opens the ledger of a valid configuration. Run closes it; where that isn't called, Close does.
func New(cfg Config, deps Deps) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	path := cfg.Database
	if path == "" {
		path = filepath.Join(deps.DataDir, "usage.db")
	}
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	return &Service{cfg: cfg, deps: deps, store: db, server: server.New(db, deps.Now)}, nil
}

// Register adds UsageService to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { usagev1.RegisterUsageServiceServer(r, s.server) }

// Validate checks a request message of UsageService; other messages pass.
func (s *Service) Validate(m proto.Message) error { return server.Validate(m) }

// Run deletes what is older than the retention until ctx ends, and closes the ledger. The server it is registered at has
// to be stopped before.
func (s *Service) Run(ctx context.Context) error {
	if s.cfg.Retention > 0 {
		s.keepPruning(ctx)
	}
	<-ctx.Done()
	return s.Close()
}

// Close closes the ledger.
func (s *Service) Close() error {
	if err := s.store.Close(); err != nil {
		return fmt.Errorf("close the ledger: %w", err)
	}
	return nil
}

const (
	pruneEvery = time.Hour
	// pruneAtOnce is small, because routers wait meanwhile.
	pruneAtOnce = 1000
)

func (s *Service) keepPruning(ctx context.Context) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		if err := s.prune(ctx); err != nil && ctx.Err() == nil {
			s.deps.Logger.Error("old rows of the ledger can't be deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Service) prune(ctx context.Context) error {
	before := s.deps.Now().Add(-s.cfg.Retention)
	for {
		n, err := s.store.Prune(ctx, before, pruneAtOnce)
		if err != nil || n < pruneAtOnce {
			return err
		}
	}
}
