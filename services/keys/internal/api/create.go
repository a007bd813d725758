package api

import (
	"cmp"
	"context"
	"fmt"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// CreateKey makes a key. Its secret is in the response and nowhere else.
func (s *Server) CreateKey(ctx context.Context, r *keysv1.CreateKeyRequest) (*keysv1.CreateKeyResponse, error) {
	p, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	secret := apikey.New(r.GetEnvironment())
	k := wanted(r)
	k.ID, k.CreatedBy, k.Created = apikey.NewID(), p.KeyID, store.Time(s.Clock())
	k.Hint, k.Hash = apikey.Hint(secret), s.Hasher.Hash(secret)
	err = s.change(ctx, p, func(ctx context.Context, p auth.Principal) error {
		k, err = s.create(ctx, p, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Logger.InfoContext(ctx, "key created", "key", k.ID, "tenant", k.Tenant, "role", k.Role.String(), "by", p.KeyID)
	return &keysv1.CreateKeyResponse{Key: Message(k), Secret: secret}, nil
}

// create keeps a key with the rights that the caller can give it, then tells of it.
func (s *Server) create(ctx context.Context, p auth.Principal, k store.Key) (store.Key, error) {
	k, err := rights.Grant(p, k)
	if err != nil {
		return k, err
	}
	if err := s.Store.Create(ctx, k); err != nil {
		return k, fmt.Errorf("keeping a new key: %w", err)
	}
	return k, s.Feed.Add(Credential(k, s.Clock()))
}

// wanted is the key that a valid request asks for.
func wanted(r *keysv1.CreateKeyRequest) store.Key {
	k := wantedOf(&keysv1.Key{Name: r.GetName(), Models: r.GetModels(), Limits: r.GetLimits(), ExpiresAt: r.GetExpiresAt()})
	k.Tenant, k.Role = r.GetTenant(), cmp.Or(r.GetRole(), accessv1.Role_ROLE_CLIENT)
	return k
}
