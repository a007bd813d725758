package api

import (
	"cmp"
	"context"
	"fmt"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// CreateKey makes a key. Its secret is in the response and nowhere else.
func (s *Server) CreateKey(ctx context.Context, r *keysv1.CreateKeyRequest) (*keysv1.CreateKeyResponse, error) {
	p, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	k, err := rights.Grant(p, wanted(r))
	if err != nil {
		return nil, err
	}
	secret := apikey.New(r.GetEnvironment())
	k.ID, k.CreatedBy, k.Created = apikey.NewID(), p.KeyID, store.Time(s.Clock())
	k.Hint, k.Hash = apikey.Hint(secret), s.Hasher.Hash(secret)
	if err := s.change(ctx, func(ctx context.Context) error { return s.create(ctx, p, k) }); err != nil {
		return nil, err
	}
	s.Logger.InfoContext(ctx, "key created", "key", k.ID, "tenant", k.Tenant, "role", k.Role.String(), "by", p.KeyID)
	return &keysv1.CreateKeyResponse{Key: Message(k), Secret: secret}, nil
}

// create keeps a key, then tells of it.
func (s *Server) create(ctx context.Context, p auth.Principal, k store.Key) error {
	if err := s.stillValid(p); err != nil {
		return err
	}
	if err := s.Store.Create(ctx, k); err != nil {
		return fmt.Errorf("keeping a new key: %w", err)
	}
	return s.Feed.Add(Credential(k))
}

// wanted is the key that a valid request asks for.
func wanted(r *keysv1.CreateKeyRequest) store.Key {
	k := store.Key{
		Name:   r.GetName(),
		Tenant: r.GetTenant(),
		Role:   cmp.Or(r.GetRole(), accessv1.Role_ROLE_CLIENT),
		Models: r.GetModels(),
		Limits: store.Limits{
			RequestsPerMinute:  r.GetLimits().GetRequestsPerMinute(),
			TokensPerMinute:    r.GetLimits().GetTokensPerMinute(),
			ConcurrentRequests: r.GetLimits().GetConcurrentRequests(),
			BudgetPeriod:       r.GetLimits().GetBudgetPeriod(), // where it is unset, rights.Grant sets it
		},
	}
	k.Limits.Budget, _ = money.FromUSD(r.GetLimits().GetBudgetUsd()) // Validate refused what can't be one
	if r.GetExpiresAt() != nil {
		k.Expires = store.Time(r.GetExpiresAt().AsTime())
	}
	return k
}
