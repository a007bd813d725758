package quota_test

import (
	"testing"
	"testing/synctest"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

const rateLimited = errorsv1.Reason_REASON_RATE_LIMITED

func keyScope(l *ratelimitv1.Limits) *ratelimitv1.Scope {
	return scope(ratelimitv1.ScopeKind_SCOPE_KIND_KEY, "k1", l)
}

// TestShrunkLimits: narrower limits are in force from the call that brings them, whatever is held; wider ones go on where
// they were, and what was held meanwhile isn't lost.
func TestShrunkLimits(t *testing.T) {
	for name, c := range map[string]struct {
		narrow           *ratelimitv1.Limits
		dimension, limit string
		most             int
	}{
		"requests":            {&ratelimitv1.Limits{RequestsPerMinute: 2, TokensPerMinute: 60_000_000, ConcurrentRequests: 10_000}, "requests", "2", 2},
		"tokens":              {&ratelimitv1.Limits{RequestsPerMinute: 600_000, TokensPerMinute: 150, ConcurrentRequests: 10_000}, "tokens", "150", 1},
		"requests, no tokens": {&ratelimitv1.Limits{RequestsPerMinute: 2}, "requests", "2", 2},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
				wide, narrow := account(plenty, nil), account(c.narrow, nil)
				warm(t, k, wide, 100)
				requests, _, held := f.left("acme", keyScope(plenty))
				if held == 0 {
					t.Fatal("nothing is held")
				}
				passed := 0
				for range 30 {
					r, err := k.Reserve(t.Context(), narrow, "req", quota.Amount{Tokens: 100})
					if err == nil {
						passed++
						r.Settle(quota.Amount{Tokens: 100}, false)
					} else if f := fault.From(err); f.Reason != rateLimited || f.Metadata["dimension"] != c.dimension || f.Metadata["limit"] != c.limit {
						t.Fatal(err)
					}
					time.Sleep(100 * time.Millisecond)
				}
				if passed > c.most {
					t.Errorf("%d calls passed in three seconds, want %d at most", passed, c.most)
				}
				mustReserve(t, k, wide, 100).Settle(quota.Amount{Tokens: 100}, false)
				if after, _, _ := f.left("acme", keyScope(plenty)); after < requests-int64(passed)-1 {
					t.Errorf("%d requests are left, %d were before", after, requests)
				}
				warm(t, k, wide, 100)
				before, _, _ := f.counts()
				for range 100 {
					mustReserve(t, k, wide, 100).Settle(quota.Amount{Tokens: 100}, false)
					time.Sleep(10 * time.Millisecond)
				}
				if after, _, _ := f.counts(); after != before {
					t.Errorf("%d of 100 calls asked the service", after-before)
				}
			})
		})
	}
}

// TestShrunkPlaces: calls under way go on, and new ones wait until so many of them have ended that they fit.
func TestShrunkPlaces(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fake, k *quota.Keeper) {
		wide := account(&ratelimitv1.Limits{ConcurrentRequests: 10_000}, nil)
		narrow := account(&ratelimitv1.Limits{ConcurrentRequests: 2}, nil)
		warm(t, k, wide, 0)
		var open []*quota.Reservation
		for range 5 {
			open = append(open, mustReserve(t, k, wide, 0))
		}
		for _, r := range open[:4] {
			mustRefuse(t, k, narrow, 0, rateLimited, "key", "concurrency", "2")
			time.Sleep(1100 * time.Millisecond)
			mustRefuse(t, k, narrow, 0, rateLimited, "key", "concurrency", "2")
			r.Settle(quota.Amount{}, false)
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		mustReserve(t, k, narrow, 0).Settle(quota.Amount{}, false)
		open[4].Settle(quota.Amount{}, false)
	})
}

// TestShrunkWhileAway: a grant that was under way when the limits shrank isn't spent either.
func TestShrunkWhileAway(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		wide := account(plenty, nil)
		narrow := account(&ratelimitv1.Limits{RequestsPerMinute: 2, TokensPerMinute: 60_000_000, ConcurrentRequests: 10_000}, nil)
		warm(t, k, wide, 100)
		for range 20 { // so that much is wanted
			mustReserve(t, k, wide, 100).Settle(quota.Amount{Tokens: 100}, false)
		}
		resume := f.stall()
		time.Sleep(1050 * time.Millisecond) // the renewal is under way
		f.overtake()
		mustRefuse(t, k, narrow, 100, rateLimited, "key", "requests", "2")
		resume()
		for range 30 {
			synctest.Wait()
			mustRefuse(t, k, narrow, 100, rateLimited, "key", "requests", "2")
			time.Sleep(50 * time.Millisecond)
		}
	})
}

// TestShrunkBudgetAlone: while nobody answers, what was told of a budget counts for the one in force: what was spent stays
// spent. Of a budget for another period nothing was told.
func TestShrunkBudgetAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		mustPay(t, k, account(budget(1, day), nil), 20*cent).Settle(quota.Amount{PicoUSD: 20 * cent}, false)
		time.Sleep(time.Second)
		f.setDown(true)
		refuses := func(usd float64, period ratelimitv1.BudgetPeriod, pico int64) {
			t.Helper()
			_, err := pay(t, k, account(budget(usd, period), nil), pico)
			if got := fault.From(err); err == nil || got.Reason != errorsv1.Reason_REASON_SERVICE_UNAVAILABLE {
				t.Errorf("%v USD: %v", usd, err)
			}
		}
		refuses(0.1, day, cent)
		refuses(0.25, day, 6*cent)
		refuses(1, ratelimitv1.BudgetPeriod_BUDGET_PERIOD_MONTH, cent)
		mustPay(t, k, account(budget(0.25, day), nil), 5*cent).Settle(quota.Amount{PicoUSD: 5 * cent}, false)
		refuses(0.25, day, cent)
		mustPay(t, k, account(budget(1, day), nil), 75*cent)
	})
}
