package auth

import (
	"context"

	"google.golang.org/grpc/metadata"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// Gate decides about calls. A nil Verifier refuses every key and a nil Peers every peer. It is safe for concurrent use.
type Gate struct {
	Rules    *Rules
	Verifier Verifier
	Peers    PeerVerifier
}

// Admit decides about one incoming call to fullMethod by the metadata in ctx. An internal method needs a valid peer credential, and verifies the
// caller's key too where one travels with the call. A public method needs a key whose role is allowed, with or without
// a peer credential. A peer credential that is wrong is refused everywhere but on open methods.
func (g *Gate) Admit(ctx context.Context, fullMethod string) (Decision, error) {
	rule := g.Rules.For(fullMethod)
	if rule.Open {
		return Decision{}, nil
	}
	var d Decision
	md := meta.Incoming(ctx)
	if err := g.readPeer(ctx, md, rule, &d); err != nil {
		return Decision{}, err
	}
	if err := g.readKey(ctx, md, rule, &d); err != nil {
		return Decision{}, err
	}
	if rule.Public && !rule.Allows(d.Principal.Role) {
		return Decision{}, roleDenied(d.Principal.Role)
	}
	return d, nil
}

func (g *Gate) readPeer(ctx context.Context, md metadata.MD, rule Rule, d *Decision) error {
	values := md[meta.InternalPeer]
	if len(values) == 0 && rule.Public {
		return nil
	}
	if len(values) != 1 || g.Peers == nil {
		return notAPeer()
	}
	name, err := g.Peers.VerifyPeer(ctx, values[0])
	d.Peer = name
	return err
}

func (g *Gate) readKey(ctx context.Context, md metadata.MD, rule Rule, d *Decision) error {
	key, err := KeyFromMetadata(md)
	if err != nil {
		return err
	}
	if key == "" {
		return g.readBehalf(ctx, md, rule, d)
	}
	if g.Verifier == nil {
		return invalidKey()
	}
	p, err := g.Verifier.Verify(ctx, key)
	if err != nil {
		return err
	}
	d.Principal, d.HasKey, d.Key = p, true, key
	return nil
}

// readBehalf believes a process of the mesh whom it acts for, where nobody's key travels with the call.
func (g *Gate) readBehalf(ctx context.Context, md metadata.MD, rule Rule, d *Decision) error {
	ids := md[meta.InternalOnBehalf]
	switch {
	case len(ids) == 0 && rule.Public:
		return missingKey()
	case len(ids) == 0:
		return nil
	case len(ids) > 1 || d.Peer == "" || g.Verifier == nil:
		return notAPeer()
	}
	p, err := VerifyID(ctx, g.Verifier, ids[0])
	d.Principal, d.HasKey = p, err == nil
	return err
}

func roleDenied(role accessv1.Role) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED, "a key with %s may not call this method", role)
}
