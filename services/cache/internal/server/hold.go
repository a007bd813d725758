package server

import (
	"context"
	"errors"
	"time"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// Hold implements CacheService. A backend that fails leaves the lease unspecified.
func (s *Server) Hold(ctx context.Context, r *cachev1.HoldRequest) (*cachev1.HoldResponse, error) {
	if err := ownTenant(ctx, r.GetTenant()); err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, r.GetWait().AsDuration())
	defer cancel()
	for {
		l, err := s.acquire(ctx, keyOf(r), holderOf(r))
		switch {
		case ctx.Err() != nil:
			// Who left hears of nothing; who was only impatient may hold it already.
			if l == cachev1.Lease_LEASE_GRANTED && errors.Is(ctx.Err(), context.Canceled) {
				s.release(context.WithoutCancel(ctx), keyOf(r), holderOf(r), false)
			}
			return nil, ctx.Err()
		case err != nil:
			s.stats.failed(ctx, "hold")
			s.o.Logger.DebugContext(ctx, "the cache's backend failed to hold a lease", "error", err)
			return &cachev1.HoldResponse{}, nil
		case l != cachev1.Lease_LEASE_FILLING || waiting.Err() != nil:
			return &cachev1.HoldResponse{Lease: l}, nil
		}
		s.waits.until(waiting, keyOf(r))
	}
}

// holdTimeout bounds one exchange with the backend: whoever holds or waits has a little more time than a lookup.
const holdTimeout = 250 * time.Millisecond

func (s *Server) acquire(ctx context.Context, k store.Key, h store.Holder) (cachev1.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	r, l, err := s.store.Acquire(ctx, k, h)
	if r.Found {
		return cachev1.Lease_LEASE_KEPT, err
	}
	return leases[l], err
}

// leases are the contract's names.
var leases = map[store.Lease]cachev1.Lease{ //nolint:gochecknoglobals // a table
	store.Granted: cachev1.Lease_LEASE_GRANTED, store.Filling: cachev1.Lease_LEASE_FILLING, store.Declined: cachev1.Lease_LEASE_DECLINED,
}

func holderOf(r interface{ GetHolder() []byte }) (h store.Holder) {
	copy(h[:], r.GetHolder())
	return h
}
