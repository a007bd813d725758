// Package keys is the service that makes, lists, changes and revokes the keys that callers present, and tells every node of the
// mesh about them. One instance serves a mesh: it holds all valid keys in memory, and its SQLite file lets no second one
// in.
package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/services/keys/internal/api"
	"github.com/headgate-mesh/headgate/services/keys/internal/feed"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
	"github.com/headgate-mesh/headgate/services/keys/internal/store/memory"
	"github.com/headgate-mesh/headgate/services/keys/internal/store/sqlite"
)

// Deps are what the service is given.
type Deps struct {
	// Logger takes a line for each key that was made, changed or revoked. Default: discards.
	Logger *slog.Logger
	// Hasher makes what is stored of a secret; the nodes' keyrings need the same. Required.
	Hasher *apikey.Hasher
	// DataDir is where the file is, unless the configuration names one. Required for that.
	DataDir string
	// Clock tells the time. Default time.Now.
	Clock func() time.Time
}

// Service is the keys service. Safe for concurrent use. Run closes it; who doesn't run it calls Close.
type Service struct {
	api   *api.Server
	store store.Store
	feed  *feed.Feed
	clock func() time.Time
	log   *slog.Logger
	close func() error
}

// New opens the store of a valid configuration and reads all valid keys. It fails where another process uses the file.
func New(cfg Config, deps Deps) (*Service, error) {
	if err := errors.Join(cfg.Validate(), deps.check(cfg)); err != nil {
		return nil, err
	}
	deps = deps.withDefaults()
	ctx := context.Background()
	st, err := open(ctx, cfg, deps)
	if err != nil {
		return nil, err
	}
	valid, err := load(ctx, st, deps.Clock())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the keys: %w", err), st.Close())
	}
	f, err := feed.New(valid)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return &Service{
		api:   &api.Server{Store: st, Feed: f, Hasher: deps.Hasher, Logger: deps.Logger, Clock: deps.Clock},
		store: st, feed: f, clock: deps.Clock, log: deps.Logger,
		close: sync.OnceValue(st.Close),
	}, nil
}

func (d Deps) check(cfg Config) error {
	if d.Hasher == nil {
		return errors.New("the keys service needs a hasher")
	}
	if d.DataDir == "" && cfg.File == "" && cfg.Store != storeMemory {
		return errors.New("the keys service needs a data directory or a file")
	}
	return nil
}

func (d Deps) withDefaults() Deps {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Clock == nil {
		d.Clock = time.Now
	}
	return d
}

func open(ctx context.Context, cfg Config, deps Deps) (store.Store, error) {
	if cfg.Store == storeMemory {
		return memory.New(), nil
	}
	return sqlite.Open(ctx, cmp.Or(cfg.File, filepath.Join(deps.DataDir, "keys.db")))
}

// load reads all valid keys, a page at a time.
func load(ctx context.Context, st store.Store, now time.Time) ([]*keysv1.Credential, error) {
	var all []*keysv1.Credential
	q := store.Query{ValidAt: now, Limit: 1000}
	for {
		page, err := st.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, k := range page {
			all = append(all, api.Credential(k, now))
		}
		if len(page) < q.Limit {
			return all, nil
		}
		q.After = page[len(page)-1].ID
	}
}

// Register adds KeyService to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { keysv1.RegisterKeyServiceServer(r, s.api) }

// Validate checks a request message of KeyService; other messages pass.
func (s *Service) Validate(m proto.Message) error { return s.api.Validate(m) }

// sweepEvery is how often expired keys and old secrets leave memory. Nodes refuse them by their own clocks, at once.
const sweepEvery = time.Minute

// Run lets go of expired keys and old secrets until ctx ends, and then closes the service: all watches end and so does the use of the
// store. It belongs before the server in the order of starting, so that it stops after it; see [Service.Drain].
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.Close()
		case <-tick.C:
			if _, err := s.feed.Expire(s.clock()); err != nil {
				s.log.ErrorContext(ctx, "letting go of expired keys", "error", err)
			}
		}
	}
}

// Drain ends all watches and takes no new ones: a server that stops gracefully would wait for them in vain. Nodes keep
// serving what they know. It is to be called when the process begins to stop.
func (s *Service) Drain() { s.feed.Close() }

// Close drains and closes the store; no call may be under way. Closing again does nothing.
func (s *Service) Close() error {
	s.Drain()
	return s.close()
}

// Len is how many keys are valid now, for metrics.
func (s *Service) Len() int { return s.feed.Len() }
