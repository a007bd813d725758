package keys_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
)

const wrongState = errorsv1.Reason_REASON_UNSUPPORTED

// change sets the fields of a comma-separated mask to what the key has; no mask where it is empty.
func change(id, mask string, to *keysv1.Key) *keysv1.UpdateKeyRequest {
	r := &keysv1.UpdateKeyRequest{Key: proto.CloneOf(to)}
	r.Key.Id = id
	if mask != "" {
		r.UpdateMask = &fieldmaskpb.FieldMask{Paths: strings.Split(mask, ",")}
	}
	return r
}

// limited is a key with a limit of requests.
func limited(rpm int64) *keysv1.Key {
	return &keysv1.Key{Limits: &ratelimitv1.Limits{RequestsPerMinute: rpm}}
}

// TestUpdate: what the mask names is changed, and nothing else.
func TestUpdate(t *testing.T) {
	t.Parallel()
	m := newMesh(t, t.TempDir(), nil)
	later := timestamppb.New(time.Now().Add(2 * time.Hour).Truncate(time.Second))
	day, month := ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY, ratelimitv1.BudgetPeriod_BUDGET_PERIOD_MONTH
	to := &keysv1.Key{
		Name: "after", Models: []string{"gpt-*"}, ExpiresAt: later, Tenant: "elsewhere",
		Limits: &ratelimitv1.Limits{RequestsPerMinute: 5, TokensPerMinute: 6, ConcurrentRequests: 7, BudgetUsd: 8, BudgetPeriod: day},
	}
	cases := []struct {
		mask string
		to   *keysv1.Key
		want func(k *keysv1.Key)
	}{
		{"name", to, func(k *keysv1.Key) { k.Name = "after" }},
		{"models", to, func(k *keysv1.Key) { k.Models = []string{"gpt-*"} }},
		{"models", &keysv1.Key{}, func(k *keysv1.Key) { k.Models = nil }},
		{"expires_at", to, func(k *keysv1.Key) { k.ExpiresAt = later }},
		{"expires_at", &keysv1.Key{}, func(k *keysv1.Key) { k.ExpiresAt = nil }},
		{"limits.requests_per_minute", to, func(k *keysv1.Key) { k.Limits.RequestsPerMinute = 5 }},
		{"limits.tokens_per_minute", to, func(k *keysv1.Key) { k.Limits.TokensPerMinute = 6 }},
		{"limits.concurrent_requests", to, func(k *keysv1.Key) { k.Limits.ConcurrentRequests = 7 }},
		{"limits.budget_usd", to, func(k *keysv1.Key) { k.Limits.BudgetUsd = 8 }},
		{"limits.budget_period", to, func(k *keysv1.Key) { k.Limits.BudgetPeriod = day }},
		{"limits.budget_usd", &keysv1.Key{}, func(k *keysv1.Key) { k.Limits.BudgetUsd, k.Limits.BudgetPeriod = 0, 0 }},
		{"limits.budget_period", &keysv1.Key{}, func(k *keysv1.Key) { k.Limits.BudgetPeriod = month }},
		{"limits", to, func(k *keysv1.Key) { k.Limits = to.GetLimits() }},
		{"limits", &keysv1.Key{}, func(k *keysv1.Key) { k.Limits = nil }},
		{"name,limits.requests_per_minute,name", to, func(k *keysv1.Key) { k.Name, k.Limits.RequestsPerMinute = "after", 5 }},
		{"*", to, func(k *keysv1.Key) { k.Name, k.Models, k.Limits, k.ExpiresAt = "after", to.Models, to.Limits, later }},
		{"", &keysv1.Key{Name: "after", Limits: &ratelimitv1.Limits{TokensPerMinute: 6}}, func(k *keysv1.Key) { k.Name, k.Limits.TokensPerMinute = "after", 6 }},
		{"", &keysv1.Key{Models: []string{"o3"}, ExpiresAt: later}, func(k *keysv1.Key) { k.Models, k.ExpiresAt = []string{"o3"}, later }},
	}
	for _, c := range cases {
		before, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{
			Name: "before", Tenant: "acme", Models: []string{"claude-*"}, ExpiresAt: timestamppb.New(time.Now().Add(time.Hour)),
			Limits: &ratelimitv1.Limits{RequestsPerMinute: 60, TokensPerMinute: 100, ConcurrentRequests: 3, BudgetUsd: 1, BudgetPeriod: month},
		})
		want := proto.CloneOf(before)
		c.want(want)
		got, err := m.client.UpdateKey(asAdmin(), change(before.GetId(), c.mask, c.to))
		if err != nil || !proto.Equal(got.GetKey(), want) {
			t.Errorf("%q: %v, %v\nwant %v", c.mask, got.GetKey(), err, want)
			continue
		}
		kept, err := m.client.GetKey(asAdmin(), &keysv1.GetKeyRequest{Id: before.GetId()})
		if err != nil || !proto.Equal(kept.GetKey(), want) {
			t.Errorf("%q: kept %v, %v", c.mask, kept, err)
		}
		m.eventually("nodes know of the change", func() bool {
			p, err := m.ring.Verify(t.Context(), secret)
			return err == nil && p.Name == want.GetName() && slices.Equal(p.Models, want.GetModels()) &&
				proto.Equal(p.Limits, want.GetLimits()) && p.Expires.IsZero() == (want.GetExpiresAt() == nil)
		})
	}
}

// TestUpdateRefuses what can't be changed, in words that say what to do.
func TestUpdateRefuses(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	k, _ := m.create(asAdmin(), &keysv1.CreateKeyRequest{Limits: &ratelimitv1.Limits{RequestsPerMinute: 60}})
	limits := func(l *ratelimitv1.Limits) *keysv1.Key { return &keysv1.Key{Limits: l} }
	cases := []struct {
		mask  string
		to    *keysv1.Key
		want  errorsv1.Reason
		field string
		text  string
	}{
		{"", &keysv1.Key{}, noField, "update_mask", "name what to change"},
		{"tenant", &keysv1.Key{Tenant: "canary"}, badField, "tenant", "CreateKey"},
		{"", &keysv1.Key{Tenant: "canary"}, badField, "tenant", "CreateKey"},
		{"name,role", &keysv1.Key{Name: "n", Role: roleAdmin}, badField, "role", "CreateKey"},
		{"environment", &keysv1.Key{}, badField, "environment", "CreateKey"},
		{"id", &keysv1.Key{}, badField, "id", "leave it out"},
		{"created_by", &keysv1.Key{CreatedBy: "canary"}, badField, "created_by", "leave it out"},
		{"hint", &keysv1.Key{Hint: "canary"}, badField, "hint", "RotateKey"},
		{"revoked_at", &keysv1.Key{}, badField, "revoked_at", "RevokeKey"},
		{"canary", &keysv1.Key{}, badField, "update_mask", "limits.requests_per_minute"},
		{"limits.canary", &keysv1.Key{}, badField, "update_mask", "limits.requests_per_minute"},
		{"expires_at.seconds", &keysv1.Key{}, badField, "update_mask", "expires_at"},
		{"name", &keysv1.Key{}, noField, "name", "required"},
		{"name", &keysv1.Key{Name: "canary\n"}, badField, "name", "printable"},
		{"models", &keysv1.Key{Models: []string{"canary*y"}}, badField, "models", "end"},
		{"expires_at", &keysv1.Key{ExpiresAt: timestamppb.New(time.Now().Add(-time.Hour))}, badField, "expires_at", "future"},
		{"limits", limits(&ratelimitv1.Limits{TokensPerMinute: -1}), badField, "limits.tokens_per_minute", "from 0"},
		{"limits.requests_per_minute", limited(-1), badField, "limits.requests_per_minute", "from 0"},
		{"limits.budget_usd", limits(&ratelimitv1.Limits{BudgetUsd: -1}), badField, "limits.budget_usd", ""},
		{"limits.budget_period", limits(&ratelimitv1.Limits{BudgetPeriod: 9}), badField, "limits.budget_period", "DAY"},
		{"limits.budget_period", limits(&ratelimitv1.Limits{BudgetPeriod: 1}), badField, "limits.budget_period", "limits.budget_usd"},
		{"limits", limits(&ratelimitv1.Limits{BudgetPeriod: 1}), badField, "limits.budget_period", "limits.budget_usd"},
	}
	for _, c := range cases {
		_, err := m.client.UpdateKey(asAdmin(), change(k.GetId(), c.mask, c.to))
		refused(t, c.mask, err, c.want, c.field)
		if err != nil && (!strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%q: %v", c.mask, err)
		}
	}
	_, err := m.client.UpdateKey(asAdmin(), &keysv1.UpdateKeyRequest{})
	refused(t, "no key", err, noField, "id")
	got, err := m.client.GetKey(asAdmin(), &keysv1.GetKeyRequest{Id: k.GetId()})
	if err != nil || !proto.Equal(got.GetKey(), k) {
		t.Errorf("after all that was refused: %v, %v", got, err)
	}
}

// TestNobodyWidens: neither the key before nor what becomes of it exceeds the caller's rights, their own key included.
func TestNobodyWidens(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	bounds := func() *keysv1.CreateKeyRequest {
		return &keysv1.CreateKeyRequest{
			Tenant: "acme", Role: roleAdmin, Models: []string{"claude-*"}, ExpiresAt: timestamppb.New(expires),
			Limits: &ratelimitv1.Limits{RequestsPerMinute: 60, TokensPerMinute: 1000, ConcurrentRequests: 5, BudgetUsd: 10},
		}
	}
	own, secret := m.create(asAdmin(), bounds())
	child, _ := m.create(as(secret), &keysv1.CreateKeyRequest{Models: []string{"claude-x"}, Limits: &ratelimitv1.Limits{RequestsPerMinute: 6}})
	limits := func(l *ratelimitv1.Limits) *keysv1.Key { return &keysv1.Key{Limits: l} }
	for _, c := range []struct {
		mask, field string
		to          *keysv1.Key
	}{
		{"models", "models", &keysv1.Key{Models: []string{"claude-x", "gpt-5"}}},
		{"models", "models", &keysv1.Key{Models: []string{"*"}}},
		{"limits.requests_per_minute", "limits.requests_per_minute", limited(61)},
		{"limits.tokens_per_minute", "limits.tokens_per_minute", limits(&ratelimitv1.Limits{TokensPerMinute: 1001})},
		{"limits.concurrent_requests", "limits.concurrent_requests", limits(&ratelimitv1.Limits{ConcurrentRequests: 6})},
		{"limits.budget_usd", "limits.budget_usd", limits(&ratelimitv1.Limits{BudgetUsd: 10.01})},
		{"limits.budget_period", "limits.budget_period", limits(&ratelimitv1.Limits{BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY})},
		{"expires_at", "expires_at", &keysv1.Key{ExpiresAt: timestamppb.New(expires.Add(time.Second))}},
	} {
		for _, id := range []string{own.GetId(), child.GetId()} {
			_, err := m.client.UpdateKey(as(secret), change(id, c.mask, c.to))
			refused(t, c.mask, err, exceeds, c.field)
		}
	}
	got, err := m.client.UpdateKey(as(secret), change(child.GetId(), "models,limits,expires_at", &keysv1.Key{}))
	k := got.GetKey()
	if err != nil || !slices.Equal(k.GetModels(), own.GetModels()) || !proto.Equal(k.GetLimits(), own.GetLimits()) || !proto.Equal(k.GetExpiresAt(), own.GetExpiresAt()) {
		t.Errorf("what is left open is as the caller's own: %v, %v", got, err)
	}
	for name, widen := range map[string]func(r *keysv1.CreateKeyRequest){
		"models": func(r *keysv1.CreateKeyRequest) { r.Models = []string{"claude-*", "gpt-5"} }, "all models": func(r *keysv1.CreateKeyRequest) { r.Models = nil },
		"requests": func(r *keysv1.CreateKeyRequest) { r.Limits.RequestsPerMinute = 61 }, "no limit": func(r *keysv1.CreateKeyRequest) { r.Limits.TokensPerMinute = 0 },
		"budget": func(r *keysv1.CreateKeyRequest) { r.Limits.BudgetUsd = 11 }, "no budget": func(r *keysv1.CreateKeyRequest) { r.Limits.BudgetUsd = 0 },
		"expiry": func(r *keysv1.CreateKeyRequest) { r.ExpiresAt = timestamppb.New(expires.Add(time.Hour)) }, "for ever": func(r *keysv1.CreateKeyRequest) { r.ExpiresAt = nil },
	} {
		wider := bounds()
		wider.Role = roleClient
		widen(wider)
		k, _ := m.create(asAdmin(), wider)
		_, updated := m.client.UpdateKey(as(secret), change(k.GetId(), "name", &keysv1.Key{Name: "mine"}))
		refused(t, "changing a key with more "+name, updated, exceeds, "id")
		_, rotated := m.client.RotateKey(as(secret), rotation(k.GetId(), 0))
		refused(t, "a secret of a key with more "+name, rotated, exceeds, "id")
	}
	narrower := &keysv1.Key{Name: "narrower", Limits: &ratelimitv1.Limits{RequestsPerMinute: 6}}
	if _, err := m.client.UpdateKey(as(secret), change(own.GetId(), "", narrower)); err != nil {
		t.Errorf("narrowing one's own key: %v", err)
	}
	m.eventually("the own key is narrower", func() bool { p, _ := m.ring.Verify(t.Context(), secret); return p.Name == "narrower" })
	_, err = m.client.UpdateKey(as(secret), change(own.GetId(), "limits.requests_per_minute", limited(60)))
	refused(t, "widening one's own key again", err, exceeds, "limits.requests_per_minute")
}

// TestEndedKeys: revoked is for good; a key that has expired comes back where the change says until when.
func TestEndedKeys(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	m := newMesh(t, t.TempDir(), clock)
	k, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{ExpiresAt: timestamppb.New(clock().Add(time.Minute))})
	gone, _ := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	if _, err := m.client.RevokeKey(asAdmin(), &keysv1.RevokeKeyRequest{Id: gone.GetId()}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	tries := func(what string, err error, remedy string) {
		t.Helper()
		refused(t, what, err, wrongState, "id")
		if err != nil && !strings.Contains(err.Error(), remedy) {
			t.Errorf("%s: %v", what, err)
		}
	}
	later := &keysv1.Key{Name: "later", ExpiresAt: timestamppb.New(clock().Add(time.Hour))}
	_, err := m.client.UpdateKey(asAdmin(), change(gone.GetId(), "name,expires_at", later))
	tries("changing a revoked key", err, "CreateKey")
	_, err = m.client.RotateKey(asAdmin(), rotation(gone.GetId(), 0))
	tries("rotating a revoked key", err, "CreateKey")
	_, err = m.client.UpdateKey(asAdmin(), change(k.GetId(), "name", later))
	tries("changing an expired key", err, "expires_at")
	_, err = m.client.RotateKey(asAdmin(), rotation(k.GetId(), 0))
	tries("rotating an expired key", err, "UpdateKey")
	if _, err := m.ring.Verify(t.Context(), secret); reason(err) != badKey {
		t.Errorf("the expired key: %v", err)
	}
	got, err := m.client.UpdateKey(asAdmin(), change(k.GetId(), "name,expires_at", later))
	if err != nil || got.GetKey().GetName() != "later" {
		t.Fatalf("extending: %v, %v", got, err)
	}
	m.eventually("the key is back", func() bool { _, err := m.ring.Verify(t.Context(), secret); return err == nil })
}

// TestUpdatesTogether: of changes of different fields at the same time none undoes another, also after a restart.
func TestUpdatesTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := newMesh(t, dir, nil)
	k, _ := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	var wg sync.WaitGroup
	for i := int64(1); i <= 20; i++ {
		for mask, to := range map[string]*keysv1.Key{
			"name": {Name: fmt.Sprint("name ", i)}, "models": {Models: []string{fmt.Sprint("m", i)}}, "limits.requests_per_minute": limited(i),
			"limits.tokens_per_minute": {Limits: &ratelimitv1.Limits{TokensPerMinute: i}}, "limits.budget_usd": {Limits: &ratelimitv1.Limits{BudgetUsd: float64(i)}},
		} {
			wg.Go(func() {
				if _, err := m.client.UpdateKey(asAdmin(), change(k.GetId(), mask, to)); err != nil {
					t.Errorf("%s: %v", mask, err)
				}
			})
		}
		wg.Wait()
		got, err := m.client.GetKey(asAdmin(), &keysv1.GetKeyRequest{Id: k.GetId()})
		l := got.GetKey().GetLimits()
		if err != nil || got.GetKey().GetName() != fmt.Sprint("name ", i) || got.GetKey().GetModels()[0] != fmt.Sprint("m", i) ||
			l.GetRequestsPerMinute() != i || l.GetTokensPerMinute() != i || l.GetBudgetUsd() != float64(i) {
			t.Fatalf("round %d: %v, %v", i, got, err)
		}
	}
	if err := m.service.Close(); err != nil {
		t.Fatal(err)
	}
	again := newMesh(t, dir, nil)
	got, err := again.client.GetKey(asAdmin(), &keysv1.GetKeyRequest{Id: k.GetId()})
	if err != nil || got.GetKey().GetLimits().GetTokensPerMinute() != 20 || got.GetKey().GetName() != "name 20" {
		t.Errorf("after a restart: %v, %v", got, err)
	}
}

// TestUpdatedWithinASecond at every node, from the moment UpdateKey returns.
func TestUpdatedWithinASecond(t *testing.T) {
	t.Parallel()
	m := newMesh(t, t.TempDir(), nil)
	addr := m.listen()
	rings := append(m.nodes(2, m.watchers), m.nodes(2, func() keysv1.KeyServiceClient { return keysv1.NewKeyServiceClient(m.dial(addr)) })...)
	k, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	var longest time.Duration
	for i := int64(1); i <= 50; i++ {
		if _, err := m.client.UpdateKey(asAdmin(), change(k.GetId(), "", limited(i))); err != nil {
			t.Fatal(err)
		}
		returned := time.Now()
		for _, ring := range rings {
			m.eventually("a node knows of a change", func() bool {
				p, err := ring.Verify(t.Context(), secret)
				return err == nil && p.Limits.GetRequestsPerMinute() == i
			})
		}
		longest = max(longest, time.Since(returned))
	}
	t.Logf("known to all nodes %v after UpdateKey at the latest", longest)
	if longest > time.Second {
		t.Errorf("known to all nodes after %v", longest)
	}
}

// TestOnBehalf: a process of the mesh that acts for a key changes keys within that key's rights, as long as it is valid.
func TestOnBehalf(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	own, _ := m.create(asAdmin(), &keysv1.CreateKeyRequest{Tenant: "acme", Role: roleAdmin, Limits: &ratelimitv1.Limits{RequestsPerMinute: 60}})
	child, _ := m.create(asAdmin(), &keysv1.CreateKeyRequest{Tenant: "acme", Limits: &ratelimitv1.Limits{RequestsPerMinute: 6}})
	peers, ctx := m.watchers(), auth.WithOnBehalf(t.Context(), own.GetId())
	if _, err := peers.UpdateKey(ctx, change(child.GetId(), "", limited(60))); err != nil {
		t.Errorf("within its rights: %v", err)
	}
	_, err := peers.UpdateKey(ctx, change(child.GetId(), "", limited(61)))
	refused(t, "beyond them", err, exceeds, "limits.requests_per_minute")
	_, err = m.client.UpdateKey(ctx, change(child.GetId(), "", limited(5)))
	refused(t, "who isn't of the mesh", err, denied, "")
	if _, err := m.client.RevokeKey(asAdmin(), &keysv1.RevokeKeyRequest{Id: own.GetId()}); err != nil {
		t.Fatal(err)
	}
	_, err = peers.UpdateKey(ctx, change(child.GetId(), "", limited(5)))
	refused(t, "revoked", err, badKey, "")
}
