package quota_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

// inLongBubble is inBubble with a service that grants for long what is next to nothing of the limits.
func inLongBubble(t *testing.T, run func(t *testing.T, f *fake, k *quota.Keeper)) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		f.mu.Lock()
		f.long = true
		f.mu.Unlock()
		run(t, f, k)
	})
}

// rarely makes a call now and then, and returns how many of them asked the service.
func rarely(t *testing.T, f *fake, k *quota.Keeper, a quota.Account, calls int) int {
	t.Helper()
	before, _, _ := f.counts()
	for range calls {
		mustReserve(t, k, a, 100).Settle(quota.Amount{Tokens: 50}, false)
		time.Sleep(3 * time.Second)
		synctest.Wait()
	}
	after, _, _ := f.counts()
	return after - before
}

func TestRareCalls(t *testing.T) {
	for name, c := range map[string]struct {
		limits *ratelimitv1.Limits
		asked  int
	}{
		"next to nothing of the limits":   {plenty, 2},
		"some of the limit of requests":   {&ratelimitv1.Limits{RequestsPerMinute: 600}, 20},
		"some of the limit of tokens":     {&ratelimitv1.Limits{TokensPerMinute: 50_000}, 20},
		"some of the places":              {&ratelimitv1.Limits{RequestsPerMinute: 600_000, ConcurrentRequests: 200}, 20},
		"one of the limits isn't so high": {&ratelimitv1.Limits{RequestsPerMinute: 600_000, TokensPerMinute: 50_000}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			inLongBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
				if asked := rarely(t, f, k, account(c.limits, nil), 20); asked != c.asked {
					t.Errorf("%d of 20 calls asked the service, want %d", asked, c.asked)
				}
			})
		})
	}
}

// What is held for rare calls is next to nothing of the limits, whoever many routers hold it, and comes back.
func TestRareCallsHoldLittle(t *testing.T) {
	inLongBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		keepers := []*quota.Keeper{k}
		for i := range 3 {
			keepers = append(keepers, hold(t, f, quota.Options{Holder: strconv.Itoa(i)}))
		}
		time.Sleep(2 * time.Second)
		a, s := account(plenty, nil), scope(ratelimitv1.ScopeKind_SCOPE_KIND_KEY, "k1", plenty)
		for range 10 {
			for _, k := range keepers {
				mustReserve(t, k, a, 100).Settle(quota.Amount{Tokens: 100}, false)
			}
			time.Sleep(3 * time.Second)
			synctest.Wait()
			_, _, held := f.left("acme", s)
			if most := bucket.Little(plenty.GetRequestsPerMinute()+plenty.GetTokensPerMinute(), 1); held > most {
				t.Fatalf("%d held, at most %d is little", held, most)
			}
		}
		if _, _, held := f.left("acme", s); held == 0 {
			t.Error("nothing is held")
		}
		time.Sleep(15 * time.Second)
		if requests, tokens, held := f.left("acme", s); held != 0 || requests != plenty.GetRequestsPerMinute() || tokens != plenty.GetTokensPerMinute() {
			t.Errorf("%d requests and %d tokens left, %d held", requests, tokens, held)
		}
	})
}

// A stock for rare calls doesn't keep a key from having more as soon as it calls often.
func TestRareThenOften(t *testing.T) {
	inLongBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(plenty, nil)
		rarely(t, f, k, a, 5)
		warm(t, k, a, 100)
		before, _, _ := f.counts()
		for range 500 {
			mustReserve(t, k, a, 100).Settle(quota.Amount{Tokens: 100}, false)
			time.Sleep(10 * time.Millisecond)
		}
		if after, _, _ := f.counts(); after != before {
			t.Errorf("%d of 500 calls asked the service", after-before)
		}
	})
}
