package api

import (
	"context"
	"crypto/subtle"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
)

// present is the caller with the rights that their key has now. It refuses a key that was revoked and a secret that was
// replaced while the call was on the way: nodes hear of that within a second, and in that second nobody may make keys
// with it, or undo what was taken away. It is asked among changes.
func (s *Server) present(ctx context.Context, p auth.Principal) (auth.Principal, error) {
	if rights.Operator(p) {
		return p, nil // the administrator's key from the environment; no store holds it
	}
	now := s.Clock()
	c, err := s.Feed.Get(p.KeyID, now)
	if err != nil {
		return p, err
	}
	if c == nil || !s.presents(ctx, c, now) {
		return p, fault.New(errorsv1.Reason_REASON_INVALID_API_KEY, "the API key isn't valid any more")
	}
	return principal(c.GetKey()), nil
}

// presents reports whether the call carries a valid secret of a key, or comes from a process of the mesh on the key's behalf.
func (s *Server) presents(ctx context.Context, c *keysv1.Credential, now time.Time) bool {
	secret := auth.Key(ctx)
	if secret == "" {
		_, peer := auth.Peer(ctx)
		return peer
	}
	hash := s.Hasher.Hash(secret)
	if subtle.ConstantTimeCompare(hash[:], c.GetSecretHash()) == 1 {
		return true
	}
	return now.Before(c.GetKey().GetOldSecretExpiresAt().AsTime()) && subtle.ConstantTimeCompare(hash[:], c.GetOldSecretHash()) == 1
}

// principal is a caller with a key.
func principal(k *keysv1.Key) auth.Principal {
	p := auth.Principal{
		Name: k.GetName(), Role: k.GetRole(), KeyID: k.GetId(), Tenant: k.GetTenant(), Models: k.GetModels(), Limits: k.GetLimits(),
	}
	if k.GetExpiresAt() != nil {
		p.Expires = k.GetExpiresAt().AsTime()
	}
	return p
}
