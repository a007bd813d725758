// Package redis keeps answers in a Redis that all instances share.
//
// Everything has a time to live. Withdrawals are written into one hash for all tenants and one for each tenant: a random
// root, made when it is missed and replaced when everything is withdrawn, and beside it a random id for every model that
// was withdrawn. A generation is a digest of the two roots and the model's two ids; each entry carries the generation of
// the lookup that came before it, and is only found as long as that is the present one. Nothing is counted: a hash that
// was evicted, or a Redis that was emptied, makes generations that never were, and with them misses, not old answers.
//
// A fill lease is a key beside its entry: its holder, until it is released or lapses by the server's clock.
//
// The hashes of a tenant, its entries and their leases share a slot of a cluster; the hash for all tenants has its own.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate-mesh/headgate/services/cache/internal/breaker"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

const (
	// MaxTTL is the longest that an entry is kept.
	MaxTTL = 24 * time.Hour
	// withdrawalTTL outlives every entry that was there before, and every answer on its way.
	withdrawalTTL = MaxTTL + time.Hour
	// withdrawTries is how often a withdrawal is tried; it does no more when it happens twice.
	withdrawTries = 3
)

// errPaused is returned while the Redis isn't asked, since it didn't answer before.
var errPaused = errors.New("the Redis didn't answer lately and isn't asked for a while")

// Options say where the Redis is.
type Options struct {
	// URL as Redis's own; Cluster says that it names nodes of a cluster.
	URL     string
	Cluster bool
	// Pool bounds the connections to each node, Timeout the dialling and every exchange.
	Pool    int
	Timeout time.Duration
	Logger  *slog.Logger
	Now     func() time.Time
}

// Store implements store.Store.
type Store struct {
	client  goredis.UniversalClient
	breaker *breaker.Breaker
	logger  *slog.Logger
}

var _ store.Store = (*Store)(nil)

// New returns a store over a Redis, which needn't be there yet.
func New(o Options) (*Store, error) {
	s := &Store{breaker: breaker.New(o.Now), logger: o.Logger}
	client, err := s.connect(o)
	if err != nil {
		return nil, err
	}
	s.client = client
	return s, nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, k store.Key) (r store.Result, err error) {
	err = s.guarded(ctx, func() error {
		r, err = s.get(ctx, k)
		return err
	})
	return r, err
}

func (s *Store) get(ctx context.Context, k store.Key) (store.Result, error) {
	return s.getWith(ctx, s.client.Pipeline(), k)
}

// getWith looks up behind what the pipeline has already.
func (s *Store) getWith(ctx context.Context, pipe goredis.Pipeliner, k store.Key) (r store.Result, err error) {
	all, own := askGenerations(ctx, pipe, k)
	value := pipe.Get(ctx, entryKey(k))
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, goredis.Nil) {
		return r, fmt.Errorf("look up: %w", err)
	}
	var whole bool
	if r.Generation, whole = generation(all.Val(), own.Val()); !whole {
		r.Generation, err = s.begin(ctx, k)
		return r, err // what lies there is of a time that isn't known any more
	}
	sealed, err := value.Bytes()
	if errors.Is(err, goredis.Nil) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("look up: %w", err)
	}
	e, stamp, ok := decode(sealed)
	switch {
	case !ok || e.Key != k:
		r.Damaged = true
	case stamp == r.Generation:
		r.Entry, r.Found = e, true
	}
	return r, nil
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, e store.Entry, ttl time.Duration, g store.Generation) error {
	return s.guarded(ctx, func() error { return s.put(ctx, e, min(ttl, MaxTTL), g) })
}

// put compares first only for the caller's sake, and not to replace a newer entry: an old stamp is never found.
func (s *Store) put(ctx context.Context, e store.Entry, ttl time.Duration, g store.Generation) error {
	pipe := s.client.Pipeline()
	all, own := askGenerations(ctx, pipe, e.Key)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("compare generations: %w", err)
	}
	if present, whole := generation(all.Val(), own.Val()); !whole || present != g {
		return store.ErrWithdrawn
	}
	pipe = s.client.Pipeline()
	pipe.Expire(ctx, allKey, withdrawalTTL)
	pipe.Expire(ctx, tenantKey(e.Key.Tenant), withdrawalTTL)
	pipe.Set(ctx, entryKey(e.Key), encode(e, g), ttl)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	return nil
}

// guarded asks the Redis, unless it hasn't been answering.
func (s *Store) guarded(ctx context.Context, ask func() error) error {
	if !s.breaker.Allow() {
		return errPaused
	}
	err := ask()
	switch {
	case err == nil, errors.Is(err, store.ErrWithdrawn):
		s.breaker.Success()
	case errors.Is(ctx.Err(), context.Canceled):
		s.breaker.Forget()
	default:
		s.breaker.Failure()
	}
	return err
}

// Withdraw implements store.Store. It asks whether or not the Redis has been answering: its caller waits for the truth.
func (s *Store) Withdraw(ctx context.Context, scope store.Scope) (err error) {
	for range withdrawTries {
		if err = s.withdraw(ctx, scope); err == nil {
			s.breaker.Success()
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("withdraw: %w", err)
}

// Size implements store.Store: what a shared Redis holds isn't this instance's to tell.
func (s *Store) Size() store.Size { return store.Size{} }

// Name implements store.Store.
func (s *Store) Name() string { return "redis" }

// Run implements store.Store: the Redis clears itself.
func (s *Store) Run(ctx context.Context) { <-ctx.Done() }

// Close implements store.Store.
func (s *Store) Close() error { return s.client.Close() }
