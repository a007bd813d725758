package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

func TestPrintQuota(t *testing.T) {
	t.Parallel()
	const key, tenant = ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ratelimitv1.ScopeKind_SCOPE_KIND_TENANT
	const budget = ratelimitv1.Dimension_DIMENSION_BUDGET
	for _, c := range []struct {
		name string
		q    *ratelimitv1.GetQuotaResponse
		want string
	}{
		{"nothing", &ratelimitv1.GetQuotaResponse{}, "key k of tenant acme\nno limits\n"},
		{
			"all", &ratelimitv1.GetQuotaResponse{Degraded: true, Balances: []*ratelimitv1.Balance{
				{Scope: key, Dimension: ratelimitv1.Dimension_DIMENSION_TOKENS, Limit: 100, Remaining: 100, ResetAfter: durationpb.New(0)},
				{Scope: key, Dimension: budget, Limit: 10_000_000_000_000, Remaining: 2_500_000_000_000, ResetAfter: durationpb.New(90 * time.Minute)},
				{Scope: tenant, Dimension: budget, Limit: 1_000_000_000_000, Remaining: -20_000_000_000},
			}},
			"key k of tenant acme\nThe shared store can't be reached: these are one instance's own figures.\n" +
				"OF      WHAT    LIMIT   LEFT    ALL OF IT AGAIN\nkey     tokens  100     100     now\n" +
				"key     budget  $10.00  $2.50   in 1h30m0s\ntenant  budget  $1.00   -$0.02  never\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.q.KeyId, c.q.Tenant = "k", "acme"
			var out strings.Builder
			if err := printQuota(&out, c.q); err != nil || out.String() != c.want {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}
