// Package server implements headgate.cache.v1.CacheService over a store.
package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// Options are the limits of the service.
type Options struct {
	// MaxEntry is the largest value kept, in bytes.
	MaxEntry int
	// TTL is how long one is kept unless the call says, MaxTTL the longest it may say.
	TTL, MaxTTL time.Duration
	// LookupTimeout is how long a lookup may take before it is a miss.
	LookupTimeout time.Duration
	Logger        *slog.Logger
	// Meter may be nil.
	Meter metric.Meter
	Now   func() time.Time
}

// Server is the service. Safe for concurrent use.
type Server struct {
	cachev1.UnimplementedCacheServiceServer

	store store.Store
	o     Options
	stats *stats
	waits *waits
}

// New builds the service; the error is the meter's.
func New(s store.Store, o Options) (*Server, error) {
	if o.Meter == nil {
		o.Meter = noop.Meter{}
	}
	st, err := newStats(o.Meter)
	return &Server{store: s, o: o, stats: st, waits: newWaits(s)}, err
}

func keyOf(r question) store.Key {
	k := store.Key{Tenant: r.GetTenant(), Model: r.GetModel()}
	copy(k.Digest[:], r.GetDigest())
	return k
}

// Store implements CacheService. A backend that fails is no failure of the call: the answer just isn't kept.
func (s *Server) Store(ctx context.Context, r *cachev1.StoreRequest) (*cachev1.StoreResponse, error) {
	if err := ownTenant(ctx, r.GetTenant()); err != nil {
		return nil, err
	}
	err := s.put(ctx, r)
	switch {
	case err == nil:
	case errors.Is(err, store.ErrWithdrawn), errors.Is(err, store.ErrTooLarge):
		s.stats.stored(ctx, false)
		return &cachev1.StoreResponse{Withdrawn: errors.Is(err, store.ErrWithdrawn)}, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	default:
		s.stats.failed(ctx, "store")
		s.o.Logger.DebugContext(ctx, "the cache's backend failed to keep an answer", "error", err)
		return &cachev1.StoreResponse{}, nil
	}
	s.stats.stored(ctx, true)
	if len(r.GetHolder()) > 0 {
		s.release(ctx, keyOf(r), holderOf(r), false)
	} else {
		s.waits.ended(keyOf(r))
	}
	return &cachev1.StoreResponse{Stored: true}, nil
}

func (s *Server) put(ctx context.Context, r *cachev1.StoreRequest) error {
	if len(r.GetValue()) > s.o.MaxEntry {
		return store.ErrTooLarge
	}
	ttl := r.GetTtl().AsDuration()
	if r.GetTtl() == nil || ttl == 0 {
		ttl = s.o.TTL
	}
	var g store.Generation
	copy(g[:], r.GetGeneration())
	e := store.Entry{Key: keyOf(r), Value: r.GetValue(), StoredAt: s.o.Now()}
	return s.store.Put(ctx, e, min(ttl, s.o.MaxTTL), g)
}

// GetStats implements CacheService.
func (s *Server) GetStats(context.Context, *cachev1.GetStatsRequest) (*cachev1.GetStatsResponse, error) {
	size := s.store.Size()
	resp := s.stats.report()
	resp.Backend, resp.Evictions = s.store.Name(), size.Evictions
	if size.Known {
		resp.Entries, resp.Bytes = size.Entries, size.Bytes
	}
	return resp, nil
}
