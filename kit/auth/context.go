package auth

import "context"

type (
	principalKey struct{}
	callerKeyKey struct{}
	peerKey      struct{}
)

// NewContext returns a context that carries the caller.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns the caller whose key was verified for this call; false where there was no key.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// WithKey returns a context that carries the caller's key itself, so that calls made on the caller's behalf present it
// to the next service, which verifies it again.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, callerKeyKey{}, key)
}

// Key returns the caller's key, or "".
func Key(ctx context.Context) string {
	key, _ := ctx.Value(callerKeyKey{}).(string)
	return key
}

// WithPeer returns a context that names the process of the mesh that made the call.
func WithPeer(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, peerKey{}, name)
}

// Peer returns the name of the process that proved itself; false where none did.
func Peer(ctx context.Context) (string, bool) {
	name, ok := ctx.Value(peerKey{}).(string)
	return name, ok
}

// NewDecisionContext returns a context that carries everything a decision established.
func NewDecisionContext(ctx context.Context, d Decision) context.Context {
	if d.HasKey {
		ctx = WithKey(NewContext(ctx, d.Principal), d.Key)
	}
	if d.Peer != "" {
		ctx = WithPeer(ctx, d.Peer)
	}
	return ctx
}
