package rpc

import (
	"context"

	"github.com/headgate-mesh/headgate/kit/auth"
)

// authenticate admits the call or refuses it, and puts the caller, the caller's key and the peer into the context.
func authenticate(v auth.Verifier, peers auth.PeerVerifier, rules *auth.Rules) interceptor {
	gate := &auth.Gate{Rules: rules, Verifier: v, Peers: peers}
	return func(ctx context.Context, c *call) error {
		d, err := gate.Admit(ctx, c.method)
		if err != nil {
			return err
		}
		c.principal, c.peer = d.Principal.Name, d.Peer
		return c.next(auth.NewDecisionContext(ctx, d))
	}
}
