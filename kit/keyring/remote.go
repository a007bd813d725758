package keyring

import (
	"context"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Remote knows the keys of the mesh by asking the keys service about each, for a process that is asked too seldom to follow
// the feed. It implements auth.Verifier, but for its answer from memory. Make it with [NewRemote]. It is safe for concurrent
// use.
type Remote struct {
	client keysv1.KeyServiceClient
	hasher *apikey.Hasher
}

// NewRemote returns a Remote that asks a keys service, as a process of the mesh. The hasher is that of the mesh's root
// secret.
func NewRemote(client keysv1.KeyServiceClient, hasher *apikey.Hasher) *Remote {
	return &Remote{client: client, hasher: hasher}
}

// Verify returns whose key it is, or an error as [Keyring.Verify] does; SERVICE_UNAVAILABLE where the keys service doesn't
// answer. A malformed key is refused without asking, and of any other its hash alone leaves the process.
func (r *Remote) Verify(ctx context.Context, key string) (auth.Principal, error) {
	if key == "" {
		return auth.Principal{}, missingKey()
	}
	if !apikey.WellFormed(key) {
		return auth.Principal{}, invalidKey()
	}
	hash := r.hasher.Hash(key)
	answer, err := r.client.VerifyKey(ctx, &keysv1.VerifyKeyRequest{SecretHash: hash[:]})
	switch {
	case err != nil:
		return auth.Principal{}, fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
			"the keys service doesn't answer, so your API key can't be checked; try again shortly").Because(err)
	case answer.GetValid():
		return principalOf(answer.GetKey(), answer.GetKey().GetLimits()), nil
	case answer.GetKey() != nil && answer.GetKey().GetRevokedAt() == nil:
		return auth.Principal{}, expiredKey()
	}
	return auth.Principal{}, invalidKey()
}
