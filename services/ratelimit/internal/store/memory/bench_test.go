package memory_test

import (
	"strconv"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/memory"
)

// BenchmarkCall is one call reserved and settled, with the limits of a key.
func BenchmarkCall(b *testing.B) {
	per := store.Limits{Requests: 5_000_000_000, Tokens: 10_000_000_000}
	both := per
	both.Budget, both.Period = store.MaxMoney, store.Month
	for _, c := range []struct {
		name   string
		limits store.Limits
	}{{"requests and tokens", per}, {"and a budget", both}} {
		b.Run(c.name, func(b *testing.B) {
			s := memory.New(time.Now)
			scopes := []store.Scope{{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ID: "k", Limits: c.limits}}
			if c.limits.Budget > 0 {
				_ = s.Seed(b.Context(), store.Seed{Tenant: "a", Scope: scopes[0], From: store.Began(store.Month, time.Now()), Final: true})
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				id := strconv.Itoa(n)
				a, _ := s.Reserve(b.Context(), store.Call{ID: id, Tenant: "a", Scopes: scopes, Tokens: 1000, Cost: 5_000_000_000, Hold: time.Minute})
				if a.Refusal != nil {
					b.Fatal(*a.Refusal)
				}
				_ = s.Settle(b.Context(), store.Settlement{ID: id, Tenant: "a", Scopes: scopes, Tokens: 900, Cost: 4_000_000_000})
			}
		})
	}
}
