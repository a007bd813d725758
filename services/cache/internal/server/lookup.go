package server

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// Lookup implements CacheService. Whatever happens to the backend, it is a miss: no caller's answer fails because of it.
func (s *Server) Lookup(ctx context.Context, r *cachev1.LookupRequest) (*cachev1.LookupResponse, error) {
	if err := ownTenant(ctx, r.GetTenant()); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, s.patience(r))
	defer cancel()
	key := keyOf(r)
	found, lease, err := s.find(limited, key, r)
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
	resp := &cachev1.LookupResponse{Generation: found.Generation[:], Lease: lease}
	if s.stats.looked(ctx, found.Found, r.GetWaited()); found.Found {
		resp.Found, resp.Value, resp.StoredAt = true, found.Entry.Value, timestamppb.New(found.Entry.StoredAt)
	}
	return resp, nil
}

// patience is how long a lookup may take. One that has waited for its answer may take a little longer.
func (s *Server) patience(r *cachev1.LookupRequest) time.Duration {
	if r.GetWaited() {
		return max(s.o.LookupTimeout, holdTimeout)
	}
	return s.o.LookupTimeout
}

// find looks up, and asks for the lease where nothing is found: what is found costs no more than without leases. A lease
// that can't be had isn't an error; the answer may be kept all the same.
func (s *Server) find(ctx context.Context, k store.Key, r *cachev1.LookupRequest) (store.Result, cachev1.Lease, error) {
	found, err := s.store.Get(ctx, k)
	if err != nil || found.Found || len(r.GetHolder()) == 0 {
		return found, cachev1.Lease_LEASE_UNSPECIFIED, err
	}
	again, l, err := s.store.Acquire(ctx, k, holderOf(r))
	if err != nil {
		s.stats.failed(ctx, "hold")
		return found, cachev1.Lease_LEASE_UNSPECIFIED, nil
	}
	return again, leases[l], nil
}
