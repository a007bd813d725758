package keys_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/keys"
)

// lateNode takes everybody for the same caller.
type lateNode struct{ auth.Principal }

// Verify knows one caller.
func (n *lateNode) Verify(context.Context, string) (auth.Principal, error) { return n.Principal, nil }

// outgoing presents a key.
func outgoing(key string) context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+key)
}

func TestValidate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	s, err := keys.New(keys.Config{Store: "memory"}, keys.Deps{Hasher: apikey.NewHasher(secret()), Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const fine = errorsv1.Reason_REASON_UNSPECIFIED
	with := func(change func(r *keysv1.CreateKeyRequest)) proto.Message {
		r := &keysv1.CreateKeyRequest{Name: "n"}
		change(r)
		return r
	}
	named := func(name string) proto.Message { return &keysv1.CreateKeyRequest{Name: name} }
	ofTenant := func(tenant string) proto.Message { return &keysv1.CreateKeyRequest{Name: "n", Tenant: tenant} }
	models := func(list ...string) proto.Message { return &keysv1.CreateKeyRequest{Name: "n", Models: list} }
	env := func(e string) proto.Message { return &keysv1.CreateKeyRequest{Name: "n", Environment: e} }
	until := func(at *timestamppb.Timestamp) proto.Message {
		return with(func(r *keysv1.CreateKeyRequest) { r.ExpiresAt = at })
	}
	limits := func(l *ratelimitv1.Limits) proto.Message {
		return with(func(r *keysv1.CreateKeyRequest) { r.Limits = l })
	}
	cases := []struct {
		name  string
		m     proto.Message
		want  errorsv1.Reason
		field string
	}{
		{"the least", named("n"), fine, ""},
		{"no name", named(""), noField, "name"},
		{"a blank name", named(" \t"), noField, "name"},
		{"100 characters", named(strings.Repeat("ü", 100)), fine, ""},
		{"101 characters", named(strings.Repeat("ü", 101)), badField, "name"},
		{"a line break", named("a\nb"), badField, "name"},
		{"an escape", named("a\x1b[31m"), badField, "name"},
		{"a hidden reversal", named("a\u202eb"), badField, "name"},
		{"broken UTF-8", named("a\xff"), badField, "name"},
		{"64 of a tenant", ofTenant(strings.Repeat("a", 64)), fine, ""},
		{"65 of a tenant", ofTenant(strings.Repeat("a", 65)), badField, "tenant"},
		{"all a tenant may have", ofTenant("az09_-"), fine, ""},
		{"upper case", ofTenant("Acme"), badField, "tenant"},
		{"a path", ofTenant("a/../b"), badField, "tenant"},
		{"a letter from elsewhere", ofTenant("а"), badField, "tenant"},
		{"an unknown role", with(func(r *keysv1.CreateKeyRequest) { r.Role = 77 }), badField, "role"},
		{"a role", with(func(r *keysv1.CreateKeyRequest) { r.Role = roleViewer }), fine, ""},
		{"models", models("claude-*", "openai/gpt-5", "*", "a:b@c.d_e"), fine, ""},
		{"100 models", models(strings.Split(strings.Repeat("m,", 99)+"m", ",")...), fine, ""},
		{"101 models", models(strings.Split(strings.Repeat("m,", 100)+"m", ",")...), badField, "models"},
		{"an empty model", models("a", ""), badField, "models"},
		{"a star in the middle", models("a*b"), badField, "models"},
		{"two stars", models("a**"), badField, "models"},
		{"a space", models("a b"), badField, "models"},
		{"a long model", models(strings.Repeat("m", 257)), badField, "models"},
		{"limits", limits(&ratelimitv1.Limits{RequestsPerMinute: 1, TokensPerMinute: 10_000_000_000, ConcurrentRequests: 0}), fine, ""},
		{"tokens beyond the arithmetic", limits(&ratelimitv1.Limits{TokensPerMinute: 10_000_000_001}), badField, "limits.tokens_per_minute"},
		{"negative requests", limits(&ratelimitv1.Limits{RequestsPerMinute: -1}), badField, "limits.requests_per_minute"},
		{"negative tokens", limits(&ratelimitv1.Limits{TokensPerMinute: -1}), badField, "limits.tokens_per_minute"},
		{"negative concurrency", limits(&ratelimitv1.Limits{ConcurrentRequests: -1}), badField, "limits.concurrent_requests"},
		{"a budget", limits(&ratelimitv1.Limits{BudgetUsd: 0.000001, BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL}), fine, ""},
		{"a budget of no period", limits(&ratelimitv1.Limits{BudgetUsd: 100.1}), fine, ""},
		{"a negative budget", limits(&ratelimitv1.Limits{BudgetUsd: -1}), badField, "limits.budget_usd"},
		{"a budget that is no number", limits(&ratelimitv1.Limits{BudgetUsd: math.NaN()}), badField, "limits.budget_usd"},
		{"a budget without end", limits(&ratelimitv1.Limits{BudgetUsd: math.Inf(1)}), badField, "limits.budget_usd"},
		{"seven decimals", limits(&ratelimitv1.Limits{BudgetUsd: 0.0000001}), badField, "limits.budget_usd"},
		{"more money than there can be", limits(&ratelimitv1.Limits{BudgetUsd: 1e9}), badField, "limits.budget_usd"},
		{"an unknown period", limits(&ratelimitv1.Limits{BudgetUsd: 1, BudgetPeriod: 9}), badField, "limits.budget_period"},
		{"a period of no budget", limits(&ratelimitv1.Limits{BudgetPeriod: 1}), badField, "limits.budget_period"},
		{"a moment from now", until(timestamppb.New(now.Add(time.Microsecond))), fine, ""},
		{"less than a store can tell", until(timestamppb.New(now.Add(time.Nanosecond))), badField, "expires_at"},
		{"now", until(timestamppb.New(now)), badField, "expires_at"},
		{"the epoch", until(&timestamppb.Timestamp{}), badField, "expires_at"},
		{"no time at all", until(&timestamppb.Timestamp{Seconds: 1 << 60}), badField, "expires_at"},
		{"broken nanoseconds", until(&timestamppb.Timestamp{Seconds: now.Unix() + 9, Nanos: -1}), badField, "expires_at"},
		{"an environment", env("staging2"), fine, ""},
		{"a long environment", env(strings.Repeat("a", 17)), badField, "environment"},
		{"an underscore", env("a_b"), badField, "environment"},
		{"upper case environment", env("Live"), badField, "environment"},

		{"get without an id", &keysv1.GetKeyRequest{}, noField, "id"},
		{"get", &keysv1.GetKeyRequest{Id: "key_1"}, fine, ""},
		{"revoke without an id", &keysv1.RevokeKeyRequest{}, noField, "id"},
		{"revoke", &keysv1.RevokeKeyRequest{Id: "key_1"}, fine, ""},
		{"list", &keysv1.ListKeysRequest{}, fine, ""},
		{"the largest page", &keysv1.ListKeysRequest{PageSize: 1000}, fine, ""},
		{"too large a page", &keysv1.ListKeysRequest{PageSize: 1001}, badField, "page_size"},
		{"a negative page", &keysv1.ListKeysRequest{PageSize: -1}, badField, "page_size"},
		{"a tenant that can't be", &keysv1.ListKeysRequest{Tenant: "A"}, badField, "tenant"},
		{"a long token", &keysv1.ListKeysRequest{PageToken: strings.Repeat("a", 257)}, badField, "page_token"},
		{"watch", &keysv1.WatchRequest{}, fine, ""},
		{"another service's message", &timestamppb.Timestamp{Nanos: -1}, fine, ""},
	}
	for _, c := range cases {
		refused(t, c.name, s.Validate(c.m), c.want, c.field)
	}
}

// TestErrorsNeverQuote what was sent.
func TestErrorsNeverQuote(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	for _, r := range []*keysv1.CreateKeyRequest{
		{Name: "canary\n"},
		{Name: "n", Tenant: "CANARY"},
		{Name: "n", Models: []string{"canary canary"}},
		{Name: "n", Environment: "Canary"},
	} {
		if _, err := m.client.CreateKey(asAdmin(), r); err == nil || strings.Contains(strings.ToLower(err.Error()), "canary") {
			t.Errorf("%v", err)
		}
	}
}
