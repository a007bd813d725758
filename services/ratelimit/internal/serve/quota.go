package serve

import (
	"context"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// GetQuota tells how the limits of a key and of its tenant stand.
func (s *Server) GetQuota(ctx context.Context, r *ratelimitv1.GetQuotaRequest) (*ratelimitv1.GetQuotaResponse, error) {
	key, err := s.asked(ctx, r.GetKeyId())
	if err != nil {
		return nil, err
	}
	tenant := key.Account()
	accounts := s.accounts(key)
	all, alone, err := s.Guard.Balances(ctx, tenant, accounts)
	if err == nil && !alone {
		if opened, _ := s.open(ctx, tenant, accounts, all); opened {
			all, alone, err = s.Guard.Balances(ctx, tenant, accounts)
		}
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return &ratelimitv1.GetQuotaResponse{KeyId: key.KeyID, Tenant: tenant, Balances: balances(all), Degraded: alone}, nil
}

// accounts are those of a key that have limits.
func (s *Server) accounts(key auth.Principal) []store.Scope {
	var list []store.Scope
	add := func(kind ratelimitv1.ScopeKind, id string, l store.Limits) {
		if l != (store.Limits{}) {
			list = append(list, store.Scope{Kind: kind, ID: id, Limits: l})
		}
	}
	add(ratelimitv1.ScopeKind_SCOPE_KIND_KEY, key.KeyID, limits(key.Limits))
	add(ratelimitv1.ScopeKind_SCOPE_KIND_TENANT, key.Account(), s.limitsOf(key.Account()))
	return list
}

// asked is the key the caller asks about: its own, or, for administrators, any that they may see.
func (s *Server) asked(ctx context.Context, keyID string) (auth.Principal, error) {
	caller, ok := auth.FromContext(ctx)
	switch {
	case !ok:
		return caller, fault.New(errorsv1.Reason_REASON_MISSING_API_KEY, "a key is required: its limits are told")
	case keyID == "" || keyID == caller.KeyID:
		return caller, nil
	case caller.Role != accessv1.Role_ROLE_ADMIN:
		return caller, fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED, "only administrators may ask about other keys: leave out key_id")
	case s.Lookup == nil:
		return caller, unknown()
	}
	key, ok := s.Lookup(ctx, keyID)
	if !ok || (caller.Tenant != "" && key.Tenant != caller.Tenant) {
		return caller, unknown()
	}
	return key, nil
}

func unknown() error {
	return fault.New(errorsv1.Reason_REASON_NOT_FOUND, "no key has this id").With("field", "key_id")
}
