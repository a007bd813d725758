package rights_test

import (
	"reflect"
	"testing"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

const admin = accessv1.Role_ROLE_ADMIN

func noon() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

// operator is the administrator's key from the environment.
func operator() auth.Principal { return auth.Principal{KeyID: "admin", Role: admin} }

// free is a tenant's administrator without any bounds, bound one with all of them.
func free() auth.Principal { return auth.Principal{KeyID: "key_free", Role: admin, Tenant: "acme"} }

func bound() auth.Principal {
	p := free()
	p.Models = []string{"claude-*", "gpt-5", "o*"}
	p.Limits = &ratelimitv1.Limits{RequestsPerMinute: 60, TokensPerMinute: 1000, ConcurrentRequests: 5}
	p.Expires = noon()
	return p
}

func models(list ...string) store.Key { return store.Key{Models: list} }

func limits(requests, tokens, concurrent int64) store.Key {
	return store.Key{Limits: store.Limits{RequestsPerMinute: requests, TokensPerMinute: tokens, ConcurrentRequests: concurrent}}
}

// TestEveryAttemptToWiden is refused with the field that tries it.
func TestEveryAttemptToWiden(t *testing.T) {
	t.Parallel()
	inTenant := func(tenant string, k store.Key) store.Key { k.Tenant = tenant; return k }
	cases := []struct {
		name   string
		p      auth.Principal
		wanted store.Key
		field  string
	}{
		{"another tenant", free(), store.Key{Tenant: "other"}, "tenant"},
		{"the default tenant", free(), store.Key{Tenant: "default"}, "tenant"},
		{"a tenant that begins alike", free(), store.Key{Tenant: "acme-2"}, "tenant"},
		{"another tenant, all else narrower", bound(), inTenant("other", models("gpt-5")), "tenant"},
		{"a model nobody allowed", bound(), models("gemini"), "models"},
		{"one good model and one bad", bound(), models("gpt-5", "gpt-4"), "models"},
		{"all models", bound(), models("*"), "models"},
		{"a wider pattern", bound(), models("claude*"), "models"},
		{"a much wider pattern", bound(), models("c*"), "models"},
		{"a pattern for an exact name", bound(), models("gpt-5*"), "models"},
		{"a longer name than an exact one", bound(), models("gpt-5-mini"), "models"},
		{"a shorter name than a pattern", bound(), models("claude"), "models"},
		{"another case", bound(), models("Claude-x"), "models"},
		{"more requests", bound(), limits(61, 0, 0), "limits.requests_per_minute"},
		{"more tokens", bound(), limits(1, 1001, 1), "limits.tokens_per_minute"},
		{"more at once", bound(), limits(1, 1, 6), "limits.concurrent_requests"},
		{"the largest number", bound(), limits(1<<63-1, 0, 0), "limits.requests_per_minute"},
		{"a longer life", bound(), store.Key{Expires: noon().Add(time.Microsecond)}, "expires_at"},
	}
	for _, c := range cases {
		_, err := rights.Grant(c.p, c.wanted)
		f := fault.From(err)
		if f == nil || f.Reason != errorsv1.Reason_REASON_EXCEEDS_OWN_RIGHTS || f.Metadata["field"] != c.field {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestGranted(t *testing.T) {
	t.Parallel()
	none := store.Limits{}
	own := store.Limits{RequestsPerMinute: 60, TokensPerMinute: 1000, ConcurrentRequests: 5}
	full := bound().Models
	key := func(tenant string, models []string, l store.Limits, expires time.Time) store.Key {
		return store.Key{Tenant: tenant, Models: models, Limits: l, Expires: expires}
	}
	never, early := time.Time{}, noon().Add(-time.Hour)
	cases := []struct {
		name         string
		p            auth.Principal
		wanted, want store.Key
	}{
		{"an operator names no tenant", operator(), store.Key{}, key("default", nil, none, never)},
		{"an operator may do all", operator(), key("other", []string{"*"}, own, noon()), key("other", []string{"*"}, own, noon())},
		{"a tenant's own", free(), store.Key{}, key("acme", nil, none, never)},
		{"a tenant's own, by name", free(), store.Key{Tenant: "acme"}, key("acme", nil, none, never)},
		{"bounds where there were none", free(), key("", []string{"*"}, own, noon()), key("acme", []string{"*"}, own, noon())},
		{"everything inherited", bound(), store.Key{}, key("acme", full, own, noon())},
		{"everything the same", bound(), key("acme", full, own, noon()), key("acme", full, own, noon())},
		{"one limit narrower, others inherited", bound(), limits(0, 10, 0), key("acme", full, store.Limits{RequestsPerMinute: 60, TokensPerMinute: 10, ConcurrentRequests: 5}, noon())},
		{"a shorter life", bound(), store.Key{Expires: early}, key("acme", full, own, early)},
		{
			"narrower patterns", bound(), models("claude-opus-*", "claude-x", "gpt-5", "o3", "o*", "o-*"),
			key("acme", []string{"claude-opus-*", "claude-x", "gpt-5", "o3", "o*", "o-*"}, own, noon()),
		},
	}
	for _, c := range cases {
		got, err := rights.Grant(c.p, c.wanted)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
}

// TestGrantNeverWidensMayAsk compares with the rule that nodes apply: whatever name a granted key may ask for, its maker
// may too.
func TestGrantNeverWidensMayAsk(t *testing.T) {
	t.Parallel()
	entries := []string{"*", "a", "a*", "ab", "ab*", "abc", "b", "b*", "ba*"}
	names := []string{"a", "ab", "abc", "abcd", "b", "ba", "bab", "c", "aa", "*"}
	for _, own := range entries {
		for _, second := range entries {
			p := auth.Principal{Tenant: "t", Role: admin, Models: []string{own, second}}
			for _, wanted := range entries {
				k, err := rights.Grant(p, models(wanted))
				if err != nil {
					continue
				}
				child := auth.Principal{Models: k.Models}
				for _, name := range names {
					if child.MayAsk(name) && !p.MayAsk(name) {
						t.Errorf("%v makes %v, which may ask for %q", p.Models, k.Models, name)
					}
				}
			}
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	cases := []struct {
		role          accessv1.Role
		reads, writes bool
	}{
		{accessv1.Role_ROLE_ADMIN, true, true},
		{accessv1.Role_ROLE_VIEWER, true, false},
		{accessv1.Role_ROLE_CLIENT, false, false},
		{accessv1.Role_ROLE_UNSPECIFIED, false, false},
		{99, false, false},
	}
	for _, c := range cases {
		p := auth.Principal{Role: c.role}
		if reads, writes := rights.Reads(p) == nil, rights.Writes(p) == nil; reads != c.reads || writes != c.writes {
			t.Errorf("%v: reads %v, writes %v", c.role, reads, writes)
		}
	}
}

func TestSees(t *testing.T) {
	t.Parallel()
	if !rights.Sees(operator(), "acme") || !rights.Sees(free(), "acme") || rights.Sees(free(), "other") || rights.Sees(free(), "") {
		t.Error("who sees what")
	}
}
