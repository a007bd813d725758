package keys_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/keys"
)

func TestCreatedKey(t *testing.T) {
	t.Parallel()
	m := newMesh(t, t.TempDir(), nil)
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	k, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{
		Name: "Søren's key", Tenant: "acme", Role: roleViewer, Models: []string{"claude-*"}, Environment: "test1",
		Limits: &ratelimitv1.Limits{RequestsPerMinute: 60, BudgetUsd: 12.000034}, ExpiresAt: timestamppb.New(expires),
	})
	if !apikey.WellFormed(secret) || !strings.HasPrefix(secret, "hg_test1_") || k.GetHint() != secret[:len("hg_test1_")+4] {
		t.Errorf("secret %q, hint %q", secret, k.GetHint())
	}
	if !regexp.MustCompile(`^key_[0-9A-Za-z]{20}$`).MatchString(k.GetId()) || k.GetCreatedBy() != auth.AdminKeyID ||
		k.GetRevokedAt() != nil || time.Since(k.GetCreatedAt().AsTime()) > time.Minute {
		t.Errorf("%v", k)
	}
	p, err := m.ring.Verify(t.Context(), secret)
	if err != nil || p.Name != "Søren's key" || p.Tenant != "acme" || p.Role != roleViewer || p.KeyID != k.GetId() ||
		!slices.Equal(p.Models, []string{"claude-*"}) || p.Limits.GetRequestsPerMinute() != 60 ||
		p.Limits.GetBudgetUsd() != 12.000034 || p.Limits.GetBudgetPeriod() != ratelimitv1.BudgetPeriod_BUDGET_PERIOD_MONTH || !p.Expires.Equal(expires) {
		t.Errorf("%+v, %v", p, err)
	}
	got, err := m.client.GetKey(asAdmin(), &keysv1.GetKeyRequest{Id: k.GetId()})
	if err != nil || !proto.Equal(got.GetKey(), k) {
		t.Errorf("GetKey: %v, %v\nwant %v", got, err, k)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	k, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{Name: "plain"})
	if k.GetTenant() != "default" || k.GetRole() != roleClient || k.GetModels() != nil || k.GetLimits() != nil ||
		k.GetExpiresAt() != nil || !strings.HasPrefix(secret, "hg_live_") {
		t.Errorf("%v", k)
	}
}

// TestStolenFile opens nothing: no secret stands in what the service keeps, however it is written.
func TestStolenFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := newMesh(t, dir, nil)
	_, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	if err := m.service.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil || bytes.Contains(data, []byte(secret[len("hg_live_")+4:])) {
			t.Errorf("%s holds a secret, %v", f, err)
		}
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	target := func() string {
		k, _ := m.create(asAdmin(), &keysv1.CreateKeyRequest{Tenant: "acme"})
		return k.GetId()
	}
	secrets := map[string]string{"environment": adminKey, "nobody": "", "stranger": apikey.New("live")}
	for name, role := range map[string]*keysv1.CreateKeyRequest{
		"admin": {Role: roleAdmin, Tenant: "acme"}, "viewer": {Role: roleViewer, Tenant: "acme"},
		"client": {Role: roleClient, Tenant: "acme"}, "foreign admin": {Role: roleAdmin, Tenant: "other"},
	} {
		_, secrets[name] = m.create(asAdmin(), role)
	}
	cases := []struct {
		caller                    string
		create, get, list, change string
	}{
		{"nobody", "MISSING_API_KEY", "MISSING_API_KEY", "MISSING_API_KEY", "MISSING_API_KEY"},
		{"stranger", "INVALID_API_KEY", "INVALID_API_KEY", "INVALID_API_KEY", "INVALID_API_KEY"},
		{"client", "PERMISSION_DENIED", "PERMISSION_DENIED", "PERMISSION_DENIED", "PERMISSION_DENIED"},
		{"viewer", "PERMISSION_DENIED", "", "", "PERMISSION_DENIED"},
		{"foreign admin", "EXCEEDS_OWN_RIGHTS", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"},
		{"admin", "", "", "", ""},
		{"environment", "", "", "", ""},
	}
	for _, c := range cases {
		ctx := as(secrets[c.caller])
		_, created := m.client.CreateKey(ctx, &keysv1.CreateKeyRequest{Name: "new", Tenant: "acme"})
		id := target()
		_, got := m.client.GetKey(ctx, &keysv1.GetKeyRequest{Id: id})
		_, listed := m.client.ListKeys(ctx, &keysv1.ListKeysRequest{Tenant: "acme"})
		_, updated := m.client.UpdateKey(ctx, &keysv1.UpdateKeyRequest{Key: &keysv1.Key{Id: id, Name: "other"}})
		_, rotated := m.client.RotateKey(ctx, &keysv1.RotateKeyRequest{Id: id})
		_, revoked := m.client.RevokeKey(ctx, &keysv1.RevokeKeyRequest{Id: id})
		for name, r := range map[string]struct {
			err  error
			want string
		}{
			"create": {created, c.create}, "get": {got, c.get}, "list": {listed, c.list},
			"update": {updated, c.change}, "rotate": {rotated, c.change}, "revoke": {revoked, c.change},
		} {
			text := strings.TrimPrefix(strings.TrimPrefix(reason(r.err).String(), "REASON_"), "UNSPECIFIED")
			if text != r.want {
				t.Errorf("%s, %s: %v, want %q", c.caller, name, r.err, r.want)
			}
		}
	}
}

// TestChildrenNeverExceed goes the whole way: a key that was made with bounds presents itself and asks for more.
func TestChildrenNeverExceed(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	expires := time.Now().Add(time.Hour)
	parent, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{
		Tenant: "acme", Role: roleAdmin, Models: []string{"claude-*"}, ExpiresAt: timestamppb.New(expires),
		Limits: &ratelimitv1.Limits{RequestsPerMinute: 60, TokensPerMinute: 1000, ConcurrentRequests: 5},
	})
	cases := []struct {
		name  string
		r     *keysv1.CreateKeyRequest
		field string
	}{
		{"tenant", &keysv1.CreateKeyRequest{Tenant: "other"}, "tenant"},
		{"models", &keysv1.CreateKeyRequest{Models: []string{"*"}}, "models"},
		{"requests", &keysv1.CreateKeyRequest{Limits: &ratelimitv1.Limits{RequestsPerMinute: 61}}, "limits.requests_per_minute"},
		{"tokens", &keysv1.CreateKeyRequest{Limits: &ratelimitv1.Limits{TokensPerMinute: 1001}}, "limits.tokens_per_minute"},
		{"concurrency", &keysv1.CreateKeyRequest{Limits: &ratelimitv1.Limits{ConcurrentRequests: 6}}, "limits.concurrent_requests"},
		{"expiry", &keysv1.CreateKeyRequest{ExpiresAt: timestamppb.New(expires.Add(time.Second))}, "expires_at"},
	}
	for _, c := range cases {
		c.r.Name = "child"
		_, err := m.client.CreateKey(as(secret), c.r)
		refused(t, c.name, err, exceeds, c.field)
	}
	child, childSecret := m.create(as(secret), &keysv1.CreateKeyRequest{Role: roleAdmin})
	if child.GetCreatedBy() != parent.GetId() || child.GetTenant() != "acme" || !slices.Equal(child.GetModels(), parent.GetModels()) ||
		!proto.Equal(child.GetLimits(), parent.GetLimits()) || !proto.Equal(child.GetExpiresAt(), parent.GetExpiresAt()) {
		t.Errorf("child %v\nparent %v", child, parent)
	}
	_, err := m.client.CreateKey(as(childSecret), &keysv1.CreateKeyRequest{Name: "grandchild", Models: []string{"gpt-5"}})
	refused(t, "a grandchild", err, exceeds, "models")
}

func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	_, acme := m.create(asAdmin(), &keysv1.CreateKeyRequest{Tenant: "acme", Role: roleAdmin})
	other, _ := m.create(asAdmin(), &keysv1.CreateKeyRequest{Tenant: "other"})
	_, err := m.client.GetKey(as(acme), &keysv1.GetKeyRequest{Id: other.GetId()})
	_, none := m.client.GetKey(as(acme), &keysv1.GetKeyRequest{Id: "key_none"})
	refused(t, "another tenant's key", err, notFound, "id")
	if err.Error() != none.Error() {
		t.Errorf("another tenant's key and no key are told apart: %v, %v", err, none)
	}
	_, err = m.client.RevokeKey(as(acme), &keysv1.RevokeKeyRequest{Id: other.GetId()})
	refused(t, "revoking another tenant's key", err, notFound, "id")
	_, err = m.client.ListKeys(as(acme), &keysv1.ListKeysRequest{Tenant: "other"})
	refused(t, "listing another tenant's keys", err, notFound, "tenant")
	for key, want := range map[string]int{acme: 1, adminKey: 2} {
		list, err := m.client.ListKeys(as(key), &keysv1.ListKeysRequest{})
		if err != nil || len(list.GetKeys()) != want {
			t.Errorf("%d keys, want %d: %v", len(list.GetKeys()), want, err)
		}
	}
}

func TestRevoking(t *testing.T) {
	t.Parallel()
	m := newMesh(t, t.TempDir(), nil)
	_, admin := m.create(asAdmin(), &keysv1.CreateKeyRequest{Tenant: "acme", Role: roleAdmin})
	k, secret := m.create(as(admin), &keysv1.CreateKeyRequest{Role: roleAdmin})
	first, err := m.client.RevokeKey(as(secret), &keysv1.RevokeKeyRequest{Id: k.GetId()}) // itself
	if err != nil || first.GetKey().GetRevokedAt() == nil {
		t.Fatalf("%v, %v", first, err)
	}
	m.eventually("the key is refused", func() bool { _, err := m.ring.Verify(t.Context(), secret); return reason(err) == badKey })
	again, err := m.client.RevokeKey(as(admin), &keysv1.RevokeKeyRequest{Id: k.GetId()})
	if err != nil || !proto.Equal(again, first) {
		t.Errorf("again: %v, %v", again, err)
	}
	_, err = m.client.RevokeKey(asAdmin(), &keysv1.RevokeKeyRequest{Id: auth.AdminKeyID})
	refused(t, "the key from the environment", err, notFound, "id")
}

// TestKeysOutliveTheService: a restart knows what was valid and what was revoked.
func TestKeysOutliveTheService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := newMesh(t, dir, nil)
	_, stays := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	gone, goneSecret := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	if _, err := m.client.RevokeKey(asAdmin(), &keysv1.RevokeKeyRequest{Id: gone.GetId()}); err != nil {
		t.Fatal(err)
	}
	if err := m.service.Close(); err != nil {
		t.Fatal(err)
	}
	again := newMesh(t, dir, nil)
	again.eventually("the key that stays", func() bool { _, err := again.ring.Verify(t.Context(), stays); return err == nil })
	if _, err := again.ring.Verify(t.Context(), goneSecret); reason(err) != badKey || again.service.Len() != 1 {
		t.Errorf("the revoked key: %v; %d valid keys", err, again.service.Len())
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	m := newMesh(t, t.TempDir(), nil)
	var want []string
	for range 7 {
		made, err := m.client.CreateKey(asAdmin(), &keysv1.CreateKeyRequest{Name: "n", Tenant: "acme"})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, made.GetKey().GetId())
	}
	if _, err := m.client.RevokeKey(asAdmin(), &keysv1.RevokeKeyRequest{Id: want[3]}); err != nil {
		t.Fatal(err)
	}
	valid := slices.Concat(want[:3], want[4:])
	for _, c := range []struct {
		size  int32
		ended bool
		pages int
		want  []string
	}{{0, true, 1, want}, {7, true, 1, want}, {6, true, 2, want}, {1, true, 7, want}, {3, false, 2, valid}, {1000, false, 1, valid}} {
		r := &keysv1.ListKeysRequest{PageSize: c.size, IncludeEnded: c.ended}
		var got []string
		pages := 0
		for ; pages == 0 || r.PageToken != ""; pages++ {
			page, err := m.client.ListKeys(asAdmin(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range page.GetKeys() {
				got = append(got, k.GetId())
			}
			r.PageToken = page.GetNextPageToken()
		}
		if pages != c.pages || !slices.Equal(got, c.want) {
			t.Errorf("pages of %d: %d pages, %v", c.size, pages, got)
		}
	}
	for _, token := range []string{"!", "key_1", "a2V5XzE", strings.Repeat("A", 1000)} {
		_, err := m.client.ListKeys(asAdmin(), &keysv1.ListKeysRequest{PageToken: token})
		refused(t, "token "+token[:1], err, badField, "page_token")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	hasher := apikey.NewHasher(secret())
	cases := []struct {
		name string
		cfg  keys.Config
		deps keys.Deps
		text string
	}{
		{"another store", keys.Config{Store: "redis"}, keys.Deps{Hasher: hasher, DataDir: t.TempDir()}, "store"},
		{"a file of memory", keys.Config{Store: "memory", File: "x"}, keys.Deps{Hasher: hasher}, "file"},
		{"no hasher", keys.Config{Store: "memory"}, keys.Deps{}, "hasher"},
		{"nowhere to be", keys.Config{}, keys.Deps{Hasher: hasher}, "directory"},
	}
	for _, c := range cases {
		if s, err := keys.New(c.cfg, c.deps); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, %v", c.name, s, err)
		}
	}
	file := filepath.Join(t.TempDir(), "sub", "mine.db")
	s, err := keys.New(keys.Config{Store: "sqlite", File: file}, keys.Deps{Hasher: hasher})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.New(keys.Config{File: file}, keys.Deps{Hasher: hasher}); err == nil {
		t.Error("two services on one file")
	}
	if _, err := os.Stat(file); err != nil || s.Close() != nil {
		t.Errorf("%v", err)
	}
}

func TestRunStops(t *testing.T) {
	t.Parallel()
	s, err := keys.New(keys.Config{}, keys.Deps{Hasher: apikey.NewHasher(secret()), DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}
