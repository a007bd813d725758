package api

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// VerifyKey tells a peer whose a secret is. It is looked up by its hash, a MAC: how long that takes tells nobody anything
// about a secret they don't have.
func (s *Server) VerifyKey(ctx context.Context, r *keysv1.VerifyKeyRequest) (*keysv1.VerifyKeyResponse, error) {
	var hash apikey.Hash
	copy(hash[:], r.GetSecretHash()) // Validate saw to its length
	k, err := s.Store.Find(ctx, hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &keysv1.VerifyKeyResponse{}, nil
	case err != nil:
		return nil, fmt.Errorf("finding a key: %w", err)
	}
	return verified(k, hash, s.Clock()), nil
}

// verified is what is known of a secret of a key.
func verified(k store.Key, hash apikey.Hash, now time.Time) *keysv1.VerifyKeyResponse {
	expires := k.Expires
	if subtle.ConstantTimeCompare(hash[:], k.Hash[:]) != 1 { // it is the one before
		if !now.Before(k.OldUntil) {
			return &keysv1.VerifyKeyResponse{}
		}
		if expires.IsZero() || k.OldUntil.Before(expires) {
			expires = k.OldUntil
		}
	}
	return &keysv1.VerifyKeyResponse{Valid: k.Valid(now), Key: Message(k), ExpiresAt: timestamp(expires)}
}
