package auth

import "context"

// Decision is who is calling, as far as it was proved.
type Decision struct {
	// Principal is set where HasKey is true.
	Principal Principal
	HasKey    bool
	// Key is the caller's key itself, to be passed on, never logged.
	Key string
	// Peer is the process of the mesh that calls, or "".
	Peer string
	// OnBehalf is the id of the key that calls made with this context act for, where there is no Key.
	OnBehalf string
}

// decisionKey is the one place in a context where all of this stands: a context costs as much as it is deep.
type decisionKey struct{}

// NewDecisionContext returns a context that carries everything a decision established.
func NewDecisionContext(ctx context.Context, d Decision) context.Context {
	return context.WithValue(ctx, decisionKey{}, &d)
}

// decision returns what the context carries, the zero value where it carries nothing.
func decision(ctx context.Context) Decision {
	if d, ok := ctx.Value(decisionKey{}).(*Decision); ok {
		return *d
	}
	return Decision{}
}

// NewContext returns a context that carries the caller.
func NewContext(ctx context.Context, p Principal) context.Context {
	d := decision(ctx)
	d.Principal, d.HasKey = p, true
	return NewDecisionContext(ctx, d)
}

// FromContext returns the caller whose key was verified for this call; false where there was no key.
func FromContext(ctx context.Context) (Principal, bool) {
	d := decision(ctx)
	return d.Principal, d.HasKey
}

// WithKey returns a context that carries the caller's key itself, so that calls made on the caller's behalf present it
// to the next service, which verifies it again.
func WithKey(ctx context.Context, key string) context.Context {
	d := decision(ctx)
	d.Key = key
	return NewDecisionContext(ctx, d)
}

// Key returns the caller's key, or "".
func Key(ctx context.Context) string { return decision(ctx).Key }

// WithOnBehalf returns a context in which calls act for the key of this id, whose owner isn't there any more. Only
// processes of the mesh are believed that.
func WithOnBehalf(ctx context.Context, keyID string) context.Context {
	d := decision(ctx)
	d.OnBehalf = keyID
	return NewDecisionContext(ctx, d)
}

// OnBehalf returns the id of the key that calls act for, or "".
func OnBehalf(ctx context.Context) string { return decision(ctx).OnBehalf }

// WithPeer returns a context that names the process of the mesh that made the call.
func WithPeer(ctx context.Context, name string) context.Context {
	d := decision(ctx)
	d.Peer = name
	return NewDecisionContext(ctx, d)
}

// Peer returns the name of the process that proved itself; false where none did.
func Peer(ctx context.Context) (string, bool) {
	name := decision(ctx).Peer
	return name, name != ""
}
