package api

import (
	"context"
	"fmt"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// RevokeKey ends a key that the caller may see, which may be the caller's own.
func (s *Server) RevokeKey(ctx context.Context, r *keysv1.RevokeKeyRequest) (*keysv1.RevokeKeyResponse, error) {
	p, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.visible(ctx, p, r.GetId()); err != nil {
		return nil, err
	}
	var k store.Key
	err = s.change(ctx, p, func(ctx context.Context, _ auth.Principal) (err error) {
		k, err = s.revoke(ctx, r.GetId())
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Logger.InfoContext(ctx, "key revoked", "key", k.ID, "tenant", k.Tenant, "by", p.KeyID)
	return &keysv1.RevokeKeyResponse{Key: Message(k)}, nil
}

// revoke keeps the end of a key, then tells of it: again too, in case the first time was kept and not told.
func (s *Server) revoke(ctx context.Context, id string) (store.Key, error) {
	k, err := s.Store.Revoke(ctx, id, store.Time(s.Clock()))
	if err != nil {
		return k, fmt.Errorf("revoking a key: %w", err)
	}
	s.Feed.Remove(id)
	return k, nil
}
