package server

import (
	"context"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// Release implements CacheService. A backend that fails is no failure of the call: the lease lapses by itself.
func (s *Server) Release(ctx context.Context, r *cachev1.ReleaseRequest) (*cachev1.ReleaseResponse, error) {
	if err := ownTenant(ctx, r.GetTenant()); err != nil {
		return nil, err
	}
	s.release(ctx, keyOf(r), holderOf(r), r.GetDeclined())
	return &cachev1.ReleaseResponse{}, nil
}

// release ends a lease and tells those that wait for it here.
func (s *Server) release(ctx context.Context, k store.Key, h store.Holder, declined bool) {
	ctx, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	if err := s.store.Release(ctx, k, h, declined); err != nil {
		s.stats.failed(ctx, "release")
		s.o.Logger.DebugContext(ctx, "the cache's backend failed to release a lease", "error", err)
	}
	s.waits.ended(k)
}
