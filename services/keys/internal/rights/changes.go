package rights

import (
	"slices"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// Changes returns EXCEEDS_OWN_RIGHTS where a key may do more than the caller, who may write and see it: nobody changes such
// a key, and nobody gets a secret of it. A key that has ended is measured as if it hadn't.
func Changes(p auth.Principal, k store.Key) error {
	if Operator(p) {
		return nil
	}
	if rank(k.Role) > rank(p.Role) {
		return exceeds("id", "names a key whose role is above your own key's: ask somebody with that role")
	}
	granted, err := Grant(p, k)
	if err != nil || !same(granted, k) {
		return exceeds("id", "names a key that may do more than your own, %s: ask an administrator who may do as much", bound(granted, k, err))
	}
	return nil
}

// rank orders roles by what they may do.
func rank(r accessv1.Role) int {
	return slices.Index([]accessv1.Role{accessv1.Role_ROLE_CLIENT, accessv1.Role_ROLE_VIEWER, accessv1.Role_ROLE_ADMIN}, r)
}

// same reports whether Grant found nothing to fill in: what a key leaves open is more than any bound.
func same(granted, k store.Key) bool {
	return granted.Limits == k.Limits && granted.Expires.Equal(k.Expires) && slices.Equal(granted.Models, k.Models)
}

// bound names what bounds the caller's key more than the other one.
func bound(granted, k store.Key, err error) string {
	switch {
	case err != nil:
		return "whose " + fault.From(err).Metadata["field"] + " allows less"
	case !slices.Equal(granted.Models, k.Models):
		return "whose models are bounded"
	case granted.Limits != k.Limits:
		return "whose limits are narrower"
	}
	return "which ends before"
}
