package api

import (
	"context"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// UpdateKey changes what its mask names of a key that the caller may change.
func (s *Server) UpdateKey(ctx context.Context, r *keysv1.UpdateKeyRequest) (*keysv1.UpdateKeyResponse, error) {
	p, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	changes, err := patchOf(r)
	if err != nil {
		return nil, err
	}
	k, err := s.alter(ctx, p, r.GetKey().GetId(), func(p auth.Principal, k *store.Key) error {
		return s.update(p, k, changes)
	})
	if err != nil {
		return nil, err
	}
	s.Logger.InfoContext(ctx, "key changed", "key", k.ID, "tenant", k.Tenant, "fields", changes.paths, "by", p.KeyID)
	return &keysv1.UpdateKeyResponse{Key: Message(k)}, nil
}

// update changes a key within the caller's rights. One that has expired is valid again where the change says until when.
func (s *Server) update(p auth.Principal, k *store.Key, changes patch) error {
	if now := s.Clock(); !k.Valid(now) && !changes.extends() {
		return ended(*k, "set expires_at, too, to a time to come, or to nothing for ever")
	}
	if err := changes.apply(k); err != nil {
		return err
	}
	granted, err := rights.Grant(p, *k)
	if err != nil {
		return err
	}
	*k = granted
	return nil
}
