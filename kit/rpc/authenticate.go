package rpc

import (
	"context"

	"github.com/headgate-mesh/headgate/kit/auth"
)

// authenticate admits the call or refuses it, and puts the caller, the caller's key and the peer into the context.
func authenticate(v auth.Verifier, peers auth.PeerVerifier, rules *auth.Rules) interceptor {
	gate := &auth.Gate{Rules: rules, Verifier: inherit(v), Peers: peers}
	return func(ctx context.Context, c *call) error {
		d, err := gate.Admit(ctx, c.method)
		if err != nil {
			return err
		}
		c.principal, c.peer = d.Principal.Name, d.Peer
		return c.next(auth.NewDecisionContext(ctx, d))
	}
}

// inherit lets a key pass that this process has verified a moment ago, on behalf of the same call: whoever called in
// process did so with the principal in its context, where only verifiers put one.
func inherit(v auth.Verifier) auth.Verifier {
	if v == nil {
		return nil
	}
	return inherited{v}
}

type inherited struct{ auth.Verifier }

// Verify returns the caller's own principal where the key is the caller's own too.
func (i inherited) Verify(ctx context.Context, key string) (auth.Principal, error) {
	if c := callerOf(ctx); c != nil && key != "" && auth.Key(c) == key {
		if p, ok := auth.FromContext(c); ok {
			return p, nil
		}
	}
	return i.Verifier.Verify(ctx, key)
}

// VerifyID implements auth.IDVerifier.
func (i inherited) VerifyID(ctx context.Context, id string) (auth.Principal, error) {
	return auth.VerifyID(ctx, i.Verifier, id)
}
