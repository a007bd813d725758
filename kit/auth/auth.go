// Package auth says who is calling and whether they may: a caller's API key becomes a Principal, a process of the mesh
// proves itself with a peer credential, and the rules about methods are read from the contract itself. It holds no
// keys; whoever does implements [Verifier].
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Principal is a caller whose key was verified.
type Principal struct {
	// Name is what people call the key.
	Name string
	// Role decides which public methods the key may call.
	Role accessv1.Role
	// KeyID identifies the key; it isn't the key and may be logged.
	KeyID string
	// Tenant is whom the key belongs to. Empty for an operator of the whole mesh, who sees all tenants; what such a key
	// uses itself is charged to [DefaultTenant].
	Tenant string
	// Models are the names the key may ask for; an entry may end in *. Empty means all. Nobody changes it.
	Models []string
	// Limits are the key's own; nil means none. Nobody changes them.
	Limits *ratelimitv1.Limits
	// Expires is when the key ends by itself; zero means never.
	Expires time.Time
}

// DefaultTenant is charged for what an operator's own key uses, and is the tenant of keys that name none.
const DefaultTenant = "default"

// Account is the tenant that is charged for what the key uses.
func (p Principal) Account() string {
	if p.Tenant == "" {
		return DefaultTenant
	}
	return p.Tenant
}

// MayAsk reports whether the key may ask for a model by this name.
func (p Principal) MayAsk(model string) bool {
	if len(p.Models) == 0 {
		return true
	}
	for _, allowed := range p.Models {
		if prefix, wild := strings.CutSuffix(allowed, "*"); allowed == model || (wild && strings.HasPrefix(model, prefix)) {
			return true
		}
	}
	return false
}

// Verifier knows keys. Verify returns the key's Principal, or an *fault.Error with MISSING_API_KEY for an empty key or
// INVALID_API_KEY for an unknown one. It is called on every request: it answers from memory, and is safe for
// concurrent use.
type Verifier interface {
	Verify(ctx context.Context, key string) (Principal, error)
}

// IDVerifier is a Verifier that also knows keys by their ids, for work that goes on after the call it was ordered with: a
// process of the mesh does it on the key's behalf. A revoked key has no behalf.
type IDVerifier interface {
	// VerifyID returns the Principal of a key that is valid now, or an error as Verify does.
	VerifyID(ctx context.Context, id string) (Principal, error)
}

// NewAdminKey returns a Verifier that knows one key, an administrator's. It compares SHA-256 digests in constant time.
// An empty key never verifies.
func NewAdminKey(key string) Verifier {
	return &adminKey{set: key != "", digest: sha256.Sum256([]byte(key))}
}

type adminKey struct {
	set    bool
	digest [sha256.Size]byte
}

// AdminKeyID is the KeyID of the administrator's key from the environment, which no store holds.
const AdminKeyID = "admin"

// Verify knows the one key.
func (a *adminKey) Verify(_ context.Context, key string) (Principal, error) {
	if key == "" {
		return Principal{}, missingKey()
	}
	digest := sha256.Sum256([]byte(key))
	if subtle.ConstantTimeCompare(digest[:], a.digest[:]) != 1 || !a.set {
		return Principal{}, invalidKey()
	}
	return administrator(), nil
}

// VerifyID implements IDVerifier.
func (a *adminKey) VerifyID(_ context.Context, id string) (Principal, error) {
	if id != AdminKeyID || !a.set {
		return Principal{}, invalidKey()
	}
	return administrator(), nil
}

func administrator() Principal {
	return Principal{Name: "admin", Role: accessv1.Role_ROLE_ADMIN, KeyID: AdminKeyID}
}

// FirstOf asks each verifier in turn and returns the first principal. Where none knows the key, an error that says more
// than INVALID_API_KEY, such as a store that isn't ready, wins over one that doesn't. With no verifier every key is
// refused.
func FirstOf(verifiers ...Verifier) Verifier { return firstOf(verifiers) }

type firstOf []Verifier

// Verify asks one after the other.
func (f firstOf) Verify(ctx context.Context, key string) (Principal, error) {
	if key == "" {
		return Principal{}, missingKey()
	}
	return f.first(func(v Verifier) (Principal, error) { return v.Verify(ctx, key) })
}

// VerifyID implements IDVerifier with those that do.
func (f firstOf) VerifyID(ctx context.Context, id string) (Principal, error) {
	return f.first(func(v Verifier) (Principal, error) { return VerifyID(ctx, v, id) })
}

func (f firstOf) first(ask func(Verifier) (Principal, error)) (Principal, error) {
	var refusal error
	for _, v := range f {
		p, err := ask(v)
		if err == nil {
			return p, nil
		}
		if fault.From(err).Reason != errorsv1.Reason_REASON_INVALID_API_KEY {
			refusal = err
		}
	}
	if refusal == nil {
		refusal = invalidKey()
	}
	return Principal{}, refusal
}

// VerifyID asks a verifier for a key by its id; one that doesn't know ids knows none.
func VerifyID(ctx context.Context, v Verifier, id string) (Principal, error) {
	if ids, ok := v.(IDVerifier); ok {
		return ids.VerifyID(ctx, id)
	}
	return Principal{}, invalidKey()
}

func missingKey() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_MISSING_API_KEY,
		"this call needs an API key: send it as Authorization: Bearer or as x-api-key")
}

func invalidKey() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_INVALID_API_KEY, "the API key isn't valid")
}
