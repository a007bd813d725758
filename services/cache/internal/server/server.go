// Package server implements headgate.cache.v1.CacheService over a store.
package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

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
}

// New builds the service; the error is the meter's.
func New(s store.Store, o Options) (*Server, error) {
	if o.Meter == nil {
		o.Meter = noop.Meter{}
	}
	st, err := newStats(o.Meter)
	return &Server{store: s, o: o, stats: st}, err
}

// Lookup implements CacheService. Whatever happens to the backend, it is a miss: no caller's answer fails because of it.
func (s *Server) Lookup(ctx context.Context, r *cachev1.LookupRequest) (*cachev1.LookupResponse, error) {
	if err := ownTenant(ctx, r.GetTenant()); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, s.o.LookupTimeout)
	defer cancel()
	key := keyOf(r)
	found, err := s.store.Get(limited, key)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		s.stats.failed(ctx, "lookup")
		s.o.Logger.DebugContext(ctx, "the cache's backend failed a lookup", "error", err)
		return &cachev1.LookupResponse{}, nil
	}
	if found.Found && found.Entry.Key != key {
		found.Found, found.Damaged = false, true
	}
	if found.Damaged {
		s.stats.damaged(ctx)
		s.o.Logger.WarnContext(ctx, "the cache's backend holds an answer that isn't what was kept", "backend", s.store.Name())
	}
	resp := &cachev1.LookupResponse{Generation: found.Generation[:]}
	if s.stats.looked(ctx, found.Found); found.Found {
		resp.Found, resp.Value, resp.StoredAt = true, found.Entry.Value, timestamppb.New(found.Entry.StoredAt)
	}
	return resp, nil
}

func keyOf(r interface {
	GetTenant() string
	GetModel() string
	GetDigest() []byte
},
) store.Key {
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
		return &cachev1.StoreResponse{}, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	default:
		s.stats.failed(ctx, "store")
		s.o.Logger.DebugContext(ctx, "the cache's backend failed to keep an answer", "error", err)
		return &cachev1.StoreResponse{}, nil
	}
	s.stats.stored(ctx, true)
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
