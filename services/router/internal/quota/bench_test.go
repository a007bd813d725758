package quota_test

import (
	"strconv"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

func BenchmarkNoLimits(b *testing.B) {
	k := quota.New(newFake(time.Now), quota.Options{})
	a := account(nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		r, _ := k.Reserve(b.Context(), a, "req", quota.Amount{Tokens: 100})
		r.Settle(quota.Amount{Tokens: 100}, false)
	}
}

// endless limits are never in the way of a loop without pauses.
var endless = &ratelimitv1.Limits{RequestsPerMinute: 5_000_000_000, TokensPerMinute: 10_000_000_000, ConcurrentRequests: 10_000}

// BenchmarkStock is a call with limits of key and tenant, paid from stock.
func BenchmarkStock(b *testing.B) {
	for _, keys := range []int{1, 100, 10_000} {
		b.Run(strconv.Itoa(keys)+" keys", func(b *testing.B) {
			f := newFake(time.Now)
			k := hold(b, f, quota.Options{Holder: "r"})
			accounts := make([]quota.Account, keys)
			for i := range accounts {
				accounts[i] = account(endless, endless)
				accounts[i].KeyID = "k" + strconv.Itoa(i)
			}
			ctx := b.Context()
			for i := 0; i < 3*keys || i < 1000; i++ {
				r, err := k.Reserve(ctx, accounts[i%keys], "req", quota.Amount{Tokens: 10})
				if err != nil {
					b.Fatal(err)
				}
				r.Settle(quota.Amount{Tokens: 10}, false)
			}
			asked, _, _ := f.counts()
			calls := 0
			b.ReportAllocs()
			for b.Loop() {
				r, err := k.Reserve(ctx, accounts[calls%keys], "req", quota.Amount{Tokens: 10})
				if err != nil {
					b.Fatal(err)
				}
				r.Settle(quota.Amount{Tokens: 10}, false)
				calls++
			}
			again, _, _ := f.counts()
			b.ReportMetric(100*float64(again-asked)/float64(calls), "%asked")
		})
	}
}

// BenchmarkBudget is a call of a key with a budget, which is always asked for; the service answers at once.
func BenchmarkBudget(b *testing.B) {
	f := newFake(time.Now)
	k := hold(b, f, quota.Options{Holder: "r"})
	a := account(&ratelimitv1.Limits{BudgetUsd: 1_000_000}, nil)
	b.ReportAllocs()
	for b.Loop() {
		r, err := k.Reserve(b.Context(), a, "req", quota.Amount{Tokens: 10, PicoUSD: 10})
		if err != nil {
			b.Fatal(err)
		}
		r.Settle(quota.Amount{Tokens: 10, PicoUSD: 10}, false)
	}
}
