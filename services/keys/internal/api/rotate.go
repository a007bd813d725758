package api

import (
	"context"
	"time"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// maxKeep is the longest time that an old secret stays valid beside the new one.
const maxKeep = 7 * 24 * time.Hour

// RotateKey gives a key that the caller may change another secret, which is in the response and nowhere else.
func (s *Server) RotateKey(ctx context.Context, r *keysv1.RotateKeyRequest) (*keysv1.RotateKeyResponse, error) {
	p, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	var secret string
	k, err := s.alter(ctx, p, r.GetId(), func(_ auth.Principal, k *store.Key) error {
		secret = apikey.New(apikey.Environment(k.Hint))
		return s.rotate(k, secret, r.GetKeepOldFor().AsDuration())
	})
	if err != nil {
		return nil, err
	}
	s.Logger.InfoContext(ctx, "key rotated", "key", k.ID, "tenant", k.Tenant, "kept", r.GetKeepOldFor().AsDuration(), "by", p.KeyID)
	return &keysv1.RotateKeyResponse{Key: Message(k), Secret: secret}, nil
}

// rotate puts a new secret in the place of the one that the key has, which may go on for a while. What was before that ends.
func (s *Server) rotate(k *store.Key, secret string, keep time.Duration) error {
	now := s.Clock()
	if !k.Valid(now) {
		return ended(*k, "extend it first with UpdateKey and expires_at")
	}
	k.OldHash, k.OldUntil = apikey.Hash{}, time.Time{}
	if keep > 0 {
		k.OldHash, k.OldUntil = k.Hash, store.Time(now.Add(keep))
	}
	k.Hash, k.Hint, k.Rotated = s.Hasher.Hash(secret), apikey.Hint(secret), store.Time(now)
	return nil
}
