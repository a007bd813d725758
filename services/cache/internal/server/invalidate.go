package server

import (
	"context"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// Invalidate implements CacheService. The error, where the backend can't be reached, is SERVICE_UNAVAILABLE: old answers
// may still be found then.
func (s *Server) Invalidate(ctx context.Context, r *cachev1.InvalidateRequest) (*cachev1.InvalidateResponse, error) {
	scope, err := scopeOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := s.store.Withdraw(ctx, scope); err != nil {
		s.stats.failed(ctx, "invalidate")
		return nil, fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
			"the cache's store can't be reached, so old answers may still be found; repeat the call until it succeeds").Because(err)
	}
	s.stats.withdrew(ctx)
	return &cachev1.InvalidateResponse{}, nil
}

// scopeOf narrows a request to what the caller may reach.
func scopeOf(ctx context.Context, r *cachev1.InvalidateRequest) (store.Scope, error) {
	p, ok := auth.FromContext(ctx)
	if !ok || p.Role != accessv1.Role_ROLE_ADMIN {
		return store.Scope{}, fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED, "only an administrator's key may withdraw answers")
	}
	scope := store.Scope{Tenant: r.GetTenant(), Model: r.GetModel()}
	switch p.Tenant {
	case "", scope.Tenant:
	default:
		if scope.Tenant != "" {
			return store.Scope{}, fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED,
				"this key may only withdraw the answers of its own tenant; leave tenant out").With("field", "tenant")
		}
		scope.Tenant = p.Tenant
	}
	return scope, nil
}

// ownTenant refuses a call on behalf of a key that belongs to another tenant: the router got something wrong.
func ownTenant(ctx context.Context, tenant string) error {
	if p, ok := auth.FromContext(ctx); ok && p.Account() != tenant {
		return fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED, "the key doesn't belong to this tenant").With("field", "tenant")
	}
	return nil
}
