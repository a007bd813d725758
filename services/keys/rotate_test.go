package keys_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/keyring"
)

func rotation(id string, keep time.Duration) *keysv1.RotateKeyRequest {
	r := &keysv1.RotateKeyRequest{Id: id}
	if keep != 0 {
		r.KeepOldFor = durationpb.New(keep)
	}
	return r
}

// rotate must give a key another secret.
func (m *mesh) rotate(ctx context.Context, id string, keep time.Duration) (*keysv1.Key, string) {
	m.t.Helper()
	r, err := m.client.RotateKey(ctx, rotation(id, keep))
	if err != nil {
		m.t.Fatalf("RotateKey: %v", err)
	}
	m.eventually("a new secret is known", func() bool { _, err := m.ring.Verify(ctx, r.GetSecret()); return err == nil })
	return r.GetKey(), r.GetSecret()
}

// opens checks which secrets are a key's.
func (m *mesh) opens(when, id string, want map[string]bool) {
	m.t.Helper()
	for secret, ok := range want {
		p, err := m.ring.Verify(m.t.Context(), secret)
		if (err == nil) != ok || ok && p.KeyID != id {
			m.t.Errorf("%s: %.12s... %v, %v; want %v", when, secret, p.KeyID, err, ok)
		}
	}
}

// TestRotate: the key stays what it was but for its secret, and at most two of those are valid.
func TestRotate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := newMesh(t, dir, nil)
	before, first := m.create(asAdmin(), &keysv1.CreateKeyRequest{
		Tenant: "acme", Models: []string{"claude-*"}, Environment: "ci", Limits: &ratelimitv1.Limits{RequestsPerMinute: 60, BudgetUsd: 5},
	})
	id := before.GetId()
	k, second := m.rotate(asAdmin(), id, time.Hour)
	if !apikey.WellFormed(second) || !strings.HasPrefix(second, "hg_ci_") || second == first || k.GetHint() != apikey.Hint(second) {
		t.Errorf("secret %.12s..., hint %q", second, k.GetHint())
	}
	if since := time.Since(k.GetRotatedAt().AsTime()); since > time.Minute || since < 0 || k.GetOldSecretExpiresAt().AsTime().Sub(k.GetRotatedAt().AsTime()) != time.Hour {
		t.Errorf("rotated %v, the old one until %v", k.GetRotatedAt().AsTime(), k.GetOldSecretExpiresAt().AsTime())
	}
	same := proto.CloneOf(k)
	same.Hint, same.RotatedAt, same.OldSecretExpiresAt = before.GetHint(), nil, nil
	if !proto.Equal(same, before) {
		t.Errorf("after %v\nbefore %v", k, before)
	}
	m.opens("kept", id, map[string]bool{first: true, second: true})
	_, third := m.rotate(asAdmin(), id, time.Hour)
	m.opens("rotated again", id, map[string]bool{first: false, second: true, third: true})
	k, fourth := m.rotate(asAdmin(), id, 0)
	m.opens("kept for no time", id, map[string]bool{first: false, second: false, third: false, fourth: true})
	if k.GetOldSecretExpiresAt() != nil {
		t.Errorf("%v", k)
	}
	_, fifth := m.rotate(asAdmin(), id, time.Hour)
	if err := m.service.Close(); err != nil {
		t.Fatal(err)
	}
	again := newMesh(t, dir, nil)
	again.eventually("the keys are loaded", func() bool { return again.ring.Ready() == nil })
	again.opens("after a restart", id, map[string]bool{third: false, fourth: true, fifth: true})
	if _, err := again.client.RevokeKey(asAdmin(), &keysv1.RevokeKeyRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	again.eventually("a revocation ends all", func() bool {
		_, old := again.ring.Verify(t.Context(), fourth)
		_, now := again.ring.Verify(t.Context(), fifth)
		return reason(old) == badKey && reason(now) == badKey
	})
}

// TestOldSecretEndsInTime, which a restart doesn't change; a change of the key leaves it what it is.
func TestOldSecretEndsInTime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var passed time.Duration
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(passed) }
	dir := t.TempDir()
	m := newMesh(t, dir, clock)
	k, first := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	k, second := m.rotate(asAdmin(), k.GetId(), 2*time.Minute)
	until := k.GetOldSecretExpiresAt()
	got, err := m.client.UpdateKey(asAdmin(), change(k.GetId(), "name", &keysv1.Key{Name: "another"}))
	if err != nil || !proto.Equal(got.GetKey().GetOldSecretExpiresAt(), until) {
		t.Errorf("%v, %v", got, err)
	}
	m.eventually("the change is known", func() bool { p, _ := m.ring.Verify(t.Context(), second); return p.Name == "another" })
	m.opens("changed", k.GetId(), map[string]bool{first: true, second: true})
	if err := m.service.Close(); err != nil {
		t.Fatal(err)
	}
	m = newMesh(t, dir, clock)
	m.eventually("the keys are loaded", func() bool { return m.ring.Ready() == nil })
	m.opens("after a restart", k.GetId(), map[string]bool{first: true, second: true})
	mu.Lock()
	passed = 2 * time.Minute // less than nodes serve without a word of the feed
	mu.Unlock()
	m.opens("after its time", k.GetId(), map[string]bool{first: false, second: true})
	if err := m.service.Close(); err != nil {
		t.Fatal(err)
	}
	m = newMesh(t, dir, clock)
	m.eventually("the keys are loaded", func() bool { return m.ring.Ready() == nil })
	m.opens("after its time and a restart", k.GetId(), map[string]bool{first: false, second: true})
}

// TestRotateOneself: administrators rotate their own keys, others can't, so that a stolen key doesn't lock its owner out.
func TestRotateOneself(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	admin, first := m.create(asAdmin(), &keysv1.CreateKeyRequest{Tenant: "acme", Role: roleAdmin, Limits: &ratelimitv1.Limits{RequestsPerMinute: 5}})
	_, second := m.rotate(as(first), admin.GetId(), 0)
	m.eventually("the old secret is refused", func() bool { _, err := m.ring.Verify(t.Context(), first); return reason(err) == badKey })
	if _, err := m.client.ListKeys(as(second), &keysv1.ListKeysRequest{}); err != nil {
		t.Errorf("the new secret: %v", err)
	}
	client, secret := m.create(as(second), &keysv1.CreateKeyRequest{})
	_, err := m.client.RotateKey(as(secret), rotation(client.GetId(), 0))
	refused(t, "a client's own key", err, denied, "")
}

func TestRotateRefuses(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	k, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	for _, c := range []struct {
		name  string
		r     *keysv1.RotateKeyRequest
		field string
	}{
		{"eight days", rotation(k.GetId(), 8*24*time.Hour), "keep_old_for"},
		{"a moment too long", rotation(k.GetId(), 7*24*time.Hour+1), "keep_old_for"},
		{"less than none", rotation(k.GetId(), -time.Second), "keep_old_for"},
		{"no duration", &keysv1.RotateKeyRequest{Id: k.GetId(), KeepOldFor: &durationpb.Duration{Seconds: 1 << 60}}, "keep_old_for"},
	} {
		_, err := m.client.RotateKey(asAdmin(), c.r)
		refused(t, c.name, err, badField, c.field)
	}
	_, err := m.client.RotateKey(asAdmin(), rotation("", 0))
	refused(t, "no id", err, noField, "id")
	_, err = m.client.RotateKey(asAdmin(), rotation("key_none", 0))
	refused(t, "no such key", err, notFound, "id")
	m.opens("after all that was refused", k.GetId(), map[string]bool{secret: true})
	if k, _ := m.rotate(asAdmin(), k.GetId(), 7*24*time.Hour); k.GetOldSecretExpiresAt() == nil {
		t.Errorf("seven days: %v", k)
	}
}

// TestRotateTogether: whoever rotates at the same time, every answer's secret was the key's, and two of them are in the end.
func TestRotateTogether(t *testing.T) {
	t.Parallel()
	m := newMesh(t, t.TempDir(), nil)
	k, _ := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	secrets := make(chan string, 20)
	var wg sync.WaitGroup
	for range cap(secrets) {
		wg.Go(func() {
			r, err := m.client.RotateKey(asAdmin(), rotation(k.GetId(), time.Hour))
			if err != nil {
				t.Error(err)
			}
			secrets <- r.GetSecret()
		})
	}
	wg.Wait()
	close(secrets)
	m.client.UpdateKey(asAdmin(), change(k.GetId(), "name", &keysv1.Key{Name: "last"})) //nolint:errcheck // seen below
	valid, last := 0, ""
	for secret := range secrets {
		m.eventually("all is known", func() bool { p, err := m.ring.Verify(t.Context(), secret); return err != nil || p.Name == "last" })
		if _, err := m.ring.Verify(t.Context(), secret); err == nil {
			valid, last = valid+1, secret
		}
	}
	if valid != 2 || last == "" {
		t.Errorf("%d of the secrets are valid", valid)
	}
}

// TestVerifyKey tells a peer what nodes know, and nobody else anything.
func TestVerifyKey(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var passed time.Duration
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(passed) }
	m := newMesh(t, t.TempDir(), clock)
	peers, hasher := m.watchers(), apikey.NewHasher(secret())
	check := func(name, secret, id string, valid bool, until *timestamppb.Timestamp) {
		t.Helper()
		hash := hasher.Hash(secret)
		got, err := peers.VerifyKey(t.Context(), &keysv1.VerifyKeyRequest{SecretHash: hash[:]})
		if err != nil || got.GetValid() != valid || got.GetKey().GetId() != id || !proto.Equal(got.GetExpiresAt(), until) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	forever, a := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	short, b := m.create(asAdmin(), &keysv1.CreateKeyRequest{ExpiresAt: timestamppb.New(clock().Add(time.Hour))})
	check("a key", a, forever.GetId(), true, nil)
	remote := keyring.NewRemote(peers, hasher)
	if p, err := remote.Verify(t.Context(), a); err != nil || p.KeyID != forever.GetId() || p.Tenant != "default" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := keyring.NewRemote(m.client, hasher).Verify(t.Context(), a); reason(err) != unavailable {
		t.Errorf("who isn't of the mesh: %v", err)
	}
	check("one that expires", b, short.GetId(), true, short.GetExpiresAt())
	check("a stranger", apikey.New("live"), "", false, nil)
	check("the administrator's from the environment", adminKey, "", false, nil)
	forever, a2 := m.rotate(asAdmin(), forever.GetId(), time.Minute)
	short, b2 := m.rotate(asAdmin(), short.GetId(), 24*time.Hour)
	check("a new secret", a2, forever.GetId(), true, nil)
	check("an old one", a, forever.GetId(), true, forever.GetOldSecretExpiresAt())
	check("an old one that its key doesn't outlive", b, short.GetId(), true, short.GetExpiresAt())
	mu.Lock()
	passed = time.Hour
	mu.Unlock()
	check("an old one after its time", a, "", false, nil)
	check("its successor", a2, forever.GetId(), true, nil)
	check("expired", b2, short.GetId(), false, short.GetExpiresAt())
	if _, err := m.client.RevokeKey(asAdmin(), &keysv1.RevokeKeyRequest{Id: forever.GetId()}); err != nil {
		t.Fatal(err)
	}
	check("revoked", a2, forever.GetId(), false, nil)

	_, err := m.client.VerifyKey(asAdmin(), &keysv1.VerifyKeyRequest{SecretHash: make([]byte, 32)})
	refused(t, "an administrator's key alone", err, denied, "")
	_, err = peers.VerifyKey(t.Context(), &keysv1.VerifyKeyRequest{})
	refused(t, "no hash", err, noField, "secret_hash")
	_, err = peers.VerifyKey(t.Context(), &keysv1.VerifyKeyRequest{SecretHash: []byte(apikey.New("live"))})
	refused(t, "a secret in its place", err, badField, "secret_hash")
}
