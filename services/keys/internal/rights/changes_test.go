package rights_test

import (
	"testing"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// TestChanges: a key that may do more than the caller's is out of reach, in whatever it may do more.
func TestChanges(t *testing.T) {
	t.Parallel()
	viewer := free()
	viewer.Role = accessv1.Role_ROLE_VIEWER
	within := func() store.Key {
		return store.Key{
			Tenant: "acme", Role: admin, Models: []string{"claude-x", "o3"}, Expires: noon(),
			Limits: store.Limits{RequestsPerMinute: 60, TokensPerMinute: 1, ConcurrentRequests: 5},
		}
	}
	but := func(change func(k *store.Key)) store.Key {
		k := within()
		change(&k)
		return k
	}
	cases := []struct {
		name string
		p    auth.Principal
		k    store.Key
		ok   bool
	}{
		{"an operator", operator(), store.Key{Tenant: "acme", Role: admin}, true},
		{"without bounds", free(), store.Key{Tenant: "acme", Role: admin}, true},
		{"within bounds", bound(), within(), true},
		{"ended before", bound(), but(func(k *store.Key) { k.Expires = noon().Add(-time.Hour) }), true},
		{"another tenant", free(), store.Key{Tenant: "other"}, false},
		{"a role above", viewer, store.Key{Tenant: "acme", Role: admin}, false},
		{"the same role", viewer, store.Key{Tenant: "acme", Role: accessv1.Role_ROLE_VIEWER}, true},
		{"a role below", viewer, store.Key{Tenant: "acme", Role: accessv1.Role_ROLE_CLIENT}, true},
		{"another model", bound(), but(func(k *store.Key) { k.Models = []string{"claude-x", "gpt-6"} }), false},
		{"all models", bound(), but(func(k *store.Key) { k.Models = nil }), false},
		{"more requests", bound(), but(func(k *store.Key) { k.Limits.RequestsPerMinute = 61 }), false},
		{"no limit of tokens", bound(), but(func(k *store.Key) { k.Limits.TokensPerMinute = 0 }), false},
		{"no limit at once", bound(), but(func(k *store.Key) { k.Limits.ConcurrentRequests = 0 }), false},
		{"a longer life", bound(), but(func(k *store.Key) { k.Expires = noon().Add(time.Microsecond) }), false},
		{"an endless life", bound(), but(func(k *store.Key) { k.Expires = time.Time{} }), false},
	}
	for _, c := range cases {
		err := rights.Changes(c.p, c.k)
		if f := fault.From(err); (err == nil) != c.ok || err != nil && (f.Reason != errorsv1.Reason_REASON_EXCEEDS_OWN_RIGHTS || f.Metadata["field"] != "id") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
