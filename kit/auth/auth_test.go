package auth_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const (
	none    = errorsv1.Reason_REASON_UNSPECIFIED
	missing = errorsv1.Reason_REASON_MISSING_API_KEY
	invalid = errorsv1.Reason_REASON_INVALID_API_KEY
)

func reason(err error) errorsv1.Reason {
	if err == nil {
		return none
	}
	return fault.From(err).Reason
}

func TestAdminKey(t *testing.T) {
	t.Parallel()
	cases := []struct {
		configured, given string
		want              errorsv1.Reason
	}{
		{"right", "right", none},
		{"right", "wrong", invalid},
		{"right", "righ", invalid},
		{"right", "", missing},
		{"", "", missing},
		{"", "x", invalid},
	}
	for _, c := range cases {
		p, err := auth.NewAdminKey(c.configured).Verify(t.Context(), c.given)
		if reason(err) != c.want {
			t.Errorf("%q for %q: %v", c.given, c.configured, err)
		}
		if err == nil && p.Role != accessv1.Role_ROLE_ADMIN {
			t.Errorf("role %v", p.Role)
		}
	}
}

type broken struct{}

func (broken) Verify(context.Context, string) (auth.Principal, error) {
	return auth.Principal{}, fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "The keys aren't loaded yet.")
}

func TestFirstOf(t *testing.T) {
	t.Parallel()
	a, b := auth.NewAdminKey("a"), auth.NewAdminKey("b")
	cases := []struct {
		name string
		v    auth.Verifier
		key  string
		want errorsv1.Reason
	}{
		{"first", auth.FirstOf(a, b), "a", none},
		{"second", auth.FirstOf(a, b), "b", none},
		{"neither", auth.FirstOf(a, b), "c", invalid},
		{"no verifier", auth.FirstOf(), "c", invalid},
		{"no key", auth.FirstOf(a), "", missing},
		{"a store that isn't ready, and the key is elsewhere", auth.FirstOf(broken{}, b), "b", none},
		{"a store that isn't ready says so", auth.FirstOf(broken{}, b), "c", errorsv1.Reason_REASON_SERVICE_UNAVAILABLE},
	}
	for _, c := range cases {
		if _, err := c.v.Verify(t.Context(), c.key); reason(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestKeyFromHeadersAndMetadata(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name           string
		authorizations []string
		apiKeys        []string
		key            string
		want           errorsv1.Reason
	}{
		{"none", nil, nil, "", none},
		{"bearer", []string{"Bearer k"}, nil, "k", none},
		{"scheme in any case, spaces", []string{"  bEARER   k "}, nil, "k", none},
		{"x-api-key", nil, []string{"k"}, "k", none},
		{"the same in both", []string{"Bearer k"}, []string{"k"}, "k", none},
		{"different", []string{"Bearer k"}, []string{"l"}, "", invalid},
		{"two authorizations", []string{"Bearer k", "Bearer l"}, nil, "", invalid},
		{"two x-api-keys", nil, []string{"k", "l"}, "", invalid},
		{"another scheme", []string{"Basic abc"}, nil, "", invalid},
		{"another scheme beside x-api-key", []string{"Basic abc"}, []string{"k"}, "k", none},
		{"a bare key", []string{"k"}, nil, "", invalid},
		{"bearer without a key", []string{"Bearer "}, nil, "", none},
		{"bearer alone, x-api-key", []string{"Bearer"}, []string{"k"}, "k", none},
		{"empty", []string{""}, []string{""}, "", none},
	}
	for _, c := range cases {
		h := http.Header{"Authorization": c.authorizations, "X-Api-Key": c.apiKeys}
		md := metadata.MD{"authorization": c.authorizations, "x-api-key": c.apiKeys}
		fromHeader, err1 := auth.KeyFromHeader(h)
		fromMetadata, err2 := auth.KeyFromMetadata(md)
		if fromHeader != c.key || reason(err1) != c.want || fromMetadata != c.key || reason(err2) != c.want {
			t.Errorf("%s: %q %v, %q %v", c.name, fromHeader, err1, fromMetadata, err2)
		}
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	s := auth.Secret("0123456789abcdef")
	a, again, b := s.Derive("a"), s.Derive("a"), s.Derive("b")
	if !bytes.Equal(a, again) || bytes.Equal(a, b) || len(a) != 32 {
		t.Errorf("%x %x %x", a, again, b)
	}
	if bytes.Equal(auth.Secret(nil).Derive("a"), auth.Secret(nil).Derive("a")) {
		t.Error("an empty secret derives a key that can be guessed")
	}
	if s.Check() != nil || auth.Secret("short").Check() == nil {
		t.Error("Check")
	}
}

// TestDerivedKeyIsFixed: stored hashes and tokens of other processes depend on it.
func TestDerivedKeyIsFixed(t *testing.T) {
	t.Parallel()
	const want = "16977e0c3bbce15b880ed0e9ad0957f004ae5690bf5de2fce14ed8d075e7f3c8"
	if got := hex.EncodeToString(auth.Secret("0123456789abcdef").Derive("peer")); got != want {
		t.Errorf("got %s", got)
	}
}

func TestSecretsDontPrint(t *testing.T) {
	t.Parallel()
	const value = "canary-canary-canary"
	s, c := auth.Secret(value), auth.PeerCredentials("x", auth.Secret(value))
	_, token, _ := c.Metadata()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb, s)
		fmt.Fprintf(&out, verb, struct{ S auth.Secret }{s})
	}
	fmt.Fprintf(&out, "%v %+v %#v %s", c, c, c, c)
	text, err := json.Marshal(struct{ S auth.Secret }{s})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "c", c)
	for _, canary := range []string{value, hex.EncodeToString([]byte(value)), "Y2FuYXJ5", "99 97 110", token[2:]} {
		if strings.Contains(out.String(), canary) {
			t.Errorf("%q is in the output", canary)
		}
	}
}

func TestPeers(t *testing.T) {
	t.Parallel()
	current, previous, other := auth.Secret("current-current-"), auth.Secret("previous-previou"), auth.Secret("other-other-other")
	v := auth.NewPeerVerifier(current, previous)
	value := func(name string, s auth.Secret) string {
		_, v, _ := auth.PeerCredentials(name, s).Metadata()
		return v
	}
	good := value("router", current)
	cases := []struct{ name, credential, peer string }{
		{"current", good, "router"},
		{"again, from memory", good, "router"},
		{"previous secret", value("router", previous), "router"},
		{"current after previous", good, "router"},
		{"another secret", value("router", other), ""},
		{"another name", "gateway" + good[len("router"):], ""},
		{"upper case hex", "router " + strings.ToUpper(good[len("router "):]), "router"},
		{"cut short", good[:len(good)-1], ""},
		{"no hex", "router " + strings.Repeat("z", 64), ""},
		{"no name", good[len("router"):], ""},
		{"empty", "", ""},
		{"name with a space", value("a b", current), ""},
	}
	for _, c := range cases {
		peer, err := v.VerifyPeer(t.Context(), c.credential)
		if (err == nil) != (c.peer != "") || err == nil && peer != c.peer {
			t.Errorf("%s: %q, %v", c.name, peer, err)
		}
	}
	for _, v := range []auth.PeerVerifier{auth.NewPeerVerifier(), auth.NewPeerVerifier(nil), auth.NewPeerVerifier(auth.Secret(""))} {
		for _, s := range []auth.Secret{nil, auth.Secret(""), current} {
			if _, err := v.VerifyPeer(t.Context(), value("x", s)); err == nil {
				t.Error("a verifier without a secret accepts a peer")
			}
		}
	}
	if _, _, ok := (auth.Credentials{}).Metadata(); ok {
		t.Error("no credentials are attached")
	}
}

func TestRulesComeFromTheContract(t *testing.T) {
	t.Parallel()
	file := routerv1.File_headgate_router_v1_router_proto.Services()
	relay := routerv1.File_headgate_router_v1_relay_proto.Services()
	rules := auth.NewRules(file.Get(0), relay.Get(0))
	client, viewer, admin := accessv1.Role_ROLE_CLIENT, accessv1.Role_ROLE_VIEWER, accessv1.Role_ROLE_ADMIN
	cases := []struct {
		method  string
		public  bool
		allowed []accessv1.Role
	}{
		{"/headgate.router.v1.RouterService/Chat", true, []accessv1.Role{client, admin}},
		{"/headgate.router.v1.RouterService/ListModels", true, []accessv1.Role{client, viewer, admin}},
		{"/headgate.router.v1.RouterService/ListTargets", true, []accessv1.Role{viewer, admin}},
		{"/headgate.router.v1.RelayService/Relay", false, nil},
		{"/headgate.router.v1.RouterService/Unknown", false, nil},
		{"", false, nil},
	}
	for _, c := range cases {
		rule := rules.For(c.method)
		if rule.Public != c.public || rule.Open {
			t.Errorf("%s: %+v", c.method, rule)
		}
		for n := range accessv1.Role_name {
			role, want := accessv1.Role(n), false
			for _, r := range c.allowed {
				want = want || r == role
			}
			if c.public && rule.Allows(role) != want {
				t.Errorf("%s: %v is allowed: %v", c.method, role, !want)
			}
		}
	}
	if new(auth.Rules).For("/x/y").Public || new(auth.Rules).For("/x/y").Open {
		t.Error("the zero Rules open a method")
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	if _, ok := auth.FromContext(ctx); ok || auth.Key(ctx) != "" {
		t.Error("an empty context has a caller")
	}
	if _, ok := auth.Peer(ctx); ok {
		t.Error("an empty context has a peer")
	}
	ctx = auth.WithPeer(auth.WithKey(auth.NewContext(ctx, auth.Principal{Name: "n"}), "k"), "p")
	p, ok := auth.FromContext(ctx)
	peer, _ := auth.Peer(ctx)
	if !ok || p.Name != "n" || auth.Key(ctx) != "k" || peer != "p" {
		t.Errorf("%+v %q %q", p, auth.Key(ctx), peer)
	}
	if _, ok := auth.FromContext(auth.WithKey(t.Context(), "k")); ok {
		t.Error("a key that nobody verified makes a caller")
	}
}

// A process of the mesh may act for a key that is valid; nobody else is believed whom they act for.
func TestOnBehalf(t *testing.T) {
	t.Parallel()
	secret := auth.Secret("0123456789abcdef")
	g := &auth.Gate{
		Rules: auth.NewRules(
			routerv1.File_headgate_router_v1_router_proto.Services().Get(0), routerv1.File_headgate_router_v1_relay_proto.Services().Get(0)),
		Verifier: auth.FirstOf(broken{}, auth.NewAdminKey("k")), Peers: auth.NewPeerVerifier(secret),
	}
	name, value, _ := auth.PeerCredentials("batch", secret).Metadata()
	const chat, relay = "/headgate.router.v1.RouterService/Chat", "/headgate.router.v1.RelayService/Relay"
	cases := []struct {
		name, method string
		metadata     []string
		want         string
	}{
		{"a peer, internal", relay, []string{name, value, "x-headgate-internal-on-behalf", "admin"}, "admin"},
		{"a peer, public", chat, []string{name, value, "x-headgate-internal-on-behalf", "admin"}, "admin"},
		{"a key that isn't there", relay, []string{name, value, "x-headgate-internal-on-behalf", "key_gone"}, ""},
		{"two keys", relay, []string{name, value, "x-headgate-internal-on-behalf", "admin", "x-headgate-internal-on-behalf", "b"}, ""},
		{"no peer", chat, []string{"x-headgate-internal-on-behalf", "admin"}, ""},
		{"a false peer", chat, []string{name, "batch 00", "x-headgate-internal-on-behalf", "admin"}, ""},
		{"a wrong key beside it", relay, []string{name, value, "x-headgate-internal-on-behalf", "admin", "authorization", "Bearer x"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := g.Admit(metadata.NewIncomingContext(t.Context(), metadata.Pairs(c.metadata...)), c.method)
			if got := d.Principal.KeyID; got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestGateWithoutVerifiersRefuses(t *testing.T) {
	t.Parallel()
	g := &auth.Gate{Rules: auth.NewRules(routerv1.File_headgate_router_v1_router_proto.Services().Get(0))}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer k", "x-headgate-internal-peer", "a b"))
	for _, method := range []string{"/headgate.router.v1.RouterService/Chat", "/x/y"} {
		if _, err := g.Admit(ctx, method); err == nil {
			t.Errorf("%s is admitted", method)
		}
	}
	var f *fault.Error
	_, err := g.Admit(metadata.NewIncomingContext(t.Context(), metadata.Pairs("x-api-key", "k")), "/headgate.router.v1.RouterService/Chat")
	if !errors.As(err, &f) || f.Reason != invalid {
		t.Errorf("without a verifier: %v", err)
	}
}

func BenchmarkVerifyPeer(b *testing.B) {
	s := auth.Secret("0123456789abcdef")
	v := auth.NewPeerVerifier(s)
	_, value, _ := auth.PeerCredentials("gateway", s).Metadata()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.VerifyPeer(b.Context(), value); err != nil {
			b.Fatal(err)
		}
	}
}
