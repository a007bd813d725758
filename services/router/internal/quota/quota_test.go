package quota_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

func account(key, tenant *ratelimitv1.Limits) quota.Account {
	return quota.Account{Tenant: "acme", KeyID: "k1", Key: key, TenantLimits: tenant}
}

func scope(kind ratelimitv1.ScopeKind, id string, l *ratelimitv1.Limits) *ratelimitv1.Scope {
	return &ratelimitv1.Scope{Kind: kind, Id: id, Limits: l}
}

// inBubble runs a test in a bubble of time, with a service and a keeper of it.
func inBubble(t *testing.T, run func(t *testing.T, f *fake, k *quota.Keeper)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(time.Now)
		k := hold(t, f, quota.Options{Holder: "r"})
		synctest.Wait()
		run(t, f, k)
	})
}

// mustReserve reserves or fails the test.
func mustReserve(t *testing.T, k *quota.Keeper, a quota.Account, tokens int64) *quota.Reservation {
	t.Helper()
	r, err := k.Reserve(t.Context(), a, "req", quota.Amount{Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustRefuse(t *testing.T, k *quota.Keeper, a quota.Account, tokens int64, reason errorsv1.Reason, scope, dimension, limit string) *fault.Error {
	t.Helper()
	_, err := k.Reserve(t.Context(), a, "req", quota.Amount{Tokens: tokens})
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("%v, want a fault", err)
	}
	if f.Reason != reason || f.Metadata["scope"] != scope || f.Metadata["dimension"] != dimension || f.Metadata["limit"] != limit {
		t.Fatalf("%v %v, want %v of %s %s %s", f, f.Metadata, reason, scope, dimension, limit)
	}
	return f
}

func TestNoLimits(t *testing.T) {
	t.Parallel()
	k := quota.New(newFake(time.Now), quota.Options{})
	for _, a := range []quota.Account{account(nil, nil), account(&ratelimitv1.Limits{}, &ratelimitv1.Limits{})} {
		r := mustReserve(t, k, a, 10)
		if r != nil {
			t.Error("a reservation of nothing isn't nil")
		}
		r.Settle(quota.Amount{Tokens: 5}, false)
		if r.Balances() != nil {
			t.Error("balances without limits")
		}
	}
}

func TestRefusals(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{RequestsPerMinute: 2}, &ratelimitv1.Limits{TokensPerMinute: 60, ConcurrentRequests: 2})
		mustRefuse(t, k, a, 61, errorsv1.Reason_REASON_LARGER_THAN_LIMIT, "tenant", "tokens", "60")
		one := mustReserve(t, k, a, 50)
		f := mustRefuse(t, k, a, 20, errorsv1.Reason_REASON_RATE_LIMITED, "tenant", "tokens", "60")
		if f.RetryAfter != 10*time.Second {
			t.Errorf("retry after %v", f.RetryAfter)
		}
		two := mustReserve(t, k, a, 5)
		mustRefuse(t, k, a, 0, errorsv1.Reason_REASON_RATE_LIMITED, "key", "requests", "2")
		time.Sleep(time.Minute)
		mustRefuse(t, k, a, 0, errorsv1.Reason_REASON_RATE_LIMITED, "tenant", "concurrency", "2")
		one.Settle(quota.Amount{Tokens: 50}, false)
		two.Settle(quota.Amount{Tokens: 5}, false)
		synctest.Wait()
		mustReserve(t, k, a, 0).Settle(quota.Amount{}, false)
	})
}

// warm has a keeper take a stock for an account.
func warm(t *testing.T, k *quota.Keeper, a quota.Account, tokens int64) {
	t.Helper()
	for range 50 {
		mustReserve(t, k, a, tokens).Settle(quota.Amount{Tokens: tokens}, false)
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(1100 * time.Millisecond)
	synctest.Wait()
}

var plenty = &ratelimitv1.Limits{RequestsPerMinute: 600_000, TokensPerMinute: 60_000_000, ConcurrentRequests: 10_000}

func TestPlentyIsPaidFromStock(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(plenty, plenty)
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

func TestIdleStockIsGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		warm(t, k, account(plenty, nil), 100)
		time.Sleep(5 * time.Second)
		s := scope(ratelimitv1.ScopeKind_SCOPE_KIND_KEY, "k1", plenty)
		if _, tokens, held := f.left("acme", s); held != 0 || tokens != plenty.GetTokensPerMinute() {
			t.Errorf("%d tokens left, %d held", tokens, held)
		}
	})
}

func TestUnusedTokensComeBack(t *testing.T) {
	for name, wait := range map[string]time.Duration{"within the grant": 0, "after the grant": 3500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
				l := &ratelimitv1.Limits{TokensPerMinute: 600_000}
				a := account(l, nil)
				big := mustReserve(t, k, a, 500_000) // room for what comes back
				warm(t, k, a, 1000)
				r := mustReserve(t, k, a, 1500)
				time.Sleep(wait)
				_, before, _ := f.left("acme", scope(ratelimitv1.ScopeKind_SCOPE_KIND_KEY, "k1", l))
				r.Settle(quota.Amount{Tokens: 500}, false)
				r.Settle(quota.Amount{}, true)
				began := time.Now()
				time.Sleep(5 * time.Second)
				_, after, held := f.left("acme", scope(ratelimitv1.ScopeKind_SCOPE_KIND_KEY, "k1", l))
				refilled := int64(time.Since(began).Minutes() * 600_000)
				if got := after + held - before - refilled; wait > 0 && (got < 990 || got > 1000) {
					t.Errorf("%d came back, want 1000", got)
				}
				big.Settle(quota.Amount{Tokens: 500_000}, false)
			})
		})
	}
}

func TestOverrunBlocks(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{TokensPerMinute: 60_000}, nil)
		warm(t, k, a, 10)
		mustReserve(t, k, a, 10).Settle(quota.Amount{Tokens: 90_000}, false)
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		f := mustRefuse(t, k, a, 10, errorsv1.Reason_REASON_RATE_LIMITED, "key", "tokens", "60000")
		if f.RetryAfter < 25*time.Second {
			t.Errorf("retry after %v", f.RetryAfter)
		}
	})
}

func TestBalances(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{RequestsPerMinute: 1000, TokensPerMinute: 100_000}, &ratelimitv1.Limits{RequestsPerMinute: 5000})
		warm(t, k, a, 100)
		r := mustReserve(t, k, a, 100)
		all := r.Balances()
		if len(all) != 2 || all[0].GetLimit() != 1000 || all[1].GetLimit() != 100_000 {
			t.Fatalf("%v", all)
		}
		if n := all[0].GetRemaining(); n < 950 || n > 1000 {
			t.Errorf("%d requests left", n)
		}
		r.Settle(quota.Amount{Tokens: 100}, false)
	})
}

// L3: while nobody answers, only the first decision waits to be sure of it; all come by this router's part, and it recovers
// by itself.
func TestOutage(t *testing.T) {
	for name, begin := range map[string]func(f *fake) (end func()){
		"stalled": func(f *fake) func() { return f.stall() },
		"down": func(f *fake) func() {
			f.setDown(true)
			return func() { f.setDown(false) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
				hold(t, f, quota.Options{Holder: "other"}) // two routers: half of the limit each
				time.Sleep(1100 * time.Millisecond)
				a := account(&ratelimitv1.Limits{RequestsPerMinute: 60, ConcurrentRequests: 80}, nil)
				mustReserve(t, k, a, 0).Settle(quota.Amount{}, false)
				end := begin(f)
				admitted, began := 0, time.Now()
				for i := range 200 {
					asked := time.Now()
					if r, err := k.Reserve(t.Context(), a, "req", quota.Amount{}); err == nil {
						admitted++
						r.Settle(quota.Amount{}, false)
					}
					if took := time.Since(asked); took > 130*time.Millisecond || (i > 0 && took > 0) {
						t.Fatalf("decision %d took %v", i, took)
					}
				}
				if most := 30 + int(30*time.Since(began).Minutes()); admitted < 29 || admitted > most {
					t.Errorf("%d admitted, want what the first call left of 30, to %d", admitted, most)
				}
				if !k.Degraded() {
					t.Error("not marked as degraded")
				}
				end()
				time.Sleep(time.Second)
				if k.Degraded() {
					t.Error("still degraded")
				}
				before, _, _ := f.counts()
				mustReserve(t, k, a, 0).Settle(quota.Amount{}, false)
				if after, _, _ := f.counts(); after == before {
					t.Error("the service isn't asked again")
				}
			})
		})
	}
}

// What timed out may have happened: it is taken back.
func TestLostAnswerIsTakenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		end := f.stall()
		mustReserve(t, k, account(&ratelimitv1.Limits{RequestsPerMinute: 60}, nil), 0)
		end()
		time.Sleep(3 * time.Second)
		if _, settles, _ := f.counts(); settles != 1 {
			t.Errorf("%d settlements", settles)
		}
	})
}

// One late answer among others is nobody's leave to decide here.
func TestLateAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{RequestsPerMinute: 60}, nil)
		end := f.stall()
		done := make(chan struct{})
		go func() {
			defer close(done)
			mustRefuse(t, k, a, 0, errorsv1.Reason_REASON_OVERLOADED, "", "", "")
		}()
		synctest.Wait()
		f.overtake()
		for range 40 {
			time.Sleep(20 * time.Millisecond)
			mustReserve(t, k, a, 0)
		}
		<-done
		end()
		if k.Degraded() {
			t.Error("degraded")
		}
	})
}

func TestServiceAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		f.mu.Lock()
		f.degraded = true
		f.mu.Unlock()
		mustReserve(t, k, account(plenty, nil), 0).Settle(quota.Amount{}, false)
		if !k.Degraded() {
			t.Error("a service that decides alone isn't told")
		}
	})
}

func TestCallerLeaves(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		end := f.stall()
		defer end()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		_, err := k.Reserve(ctx, account(&ratelimitv1.Limits{RequestsPerMinute: 60}, nil), "req", quota.Amount{})
		if f := fault.From(err); err == nil || f.Reason != errorsv1.Reason_REASON_TIMEOUT {
			t.Errorf("%v", err)
		}
		if k.Degraded() {
			t.Error("a caller that left taught something about the service")
		}
	})
}

// L2: 64 streams on one limit never have more settled and reserved together than there is.
func TestStreamsOnOneLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		const limit, streams = 100_000, 64
		l := &ratelimitv1.Limits{TokensPerMinute: limit}
		a := account(nil, l)
		keepers := []*quota.Keeper{k, hold(t, f, quota.Options{Holder: "b"})}
		var mu sync.Mutex
		var settled, reserved int64
		began := time.Now()
		check := func(s, r int64) {
			mu.Lock()
			defer mu.Unlock()
			settled, reserved = settled+s, reserved+r
			if most := int64(limit * (1 + time.Since(began).Minutes())); settled+reserved > most {
				t.Errorf("%d settled and %d reserved of %d", settled, reserved, most)
			}
		}
		var wg sync.WaitGroup
		for i := range streams {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), 7))
				for range 100 {
					n := rnd.Int64N(3000)
					if r, err := keepers[i%2].Reserve(t.Context(), a, strconv.Itoa(i), quota.Amount{Tokens: n}); err == nil {
						check(0, n)
						time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
						used := rnd.Int64N(n + 1)
						check(used, -n)
						r.Settle(quota.Amount{Tokens: used}, false)
					}
					time.Sleep(time.Duration(rnd.IntN(100)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if could := limit * (1 + time.Since(began).Minutes()); float64(settled) < 0.5*could {
			t.Errorf("only %d settled of %.0f", settled, could)
		}
		t.Logf("%d settled in %v, of %.0f", settled, time.Since(began), limit*(1+time.Since(began).Minutes()))
	})
}

// What calls bring back long after their grant makes no second burst: attributed to when it was admitted, no window used
// more than the limit and what refilled.
func TestLateTokensMakeNoSecondBurst(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		const limit = 60_000
		a := account(nil, &ratelimitv1.Limits{TokensPerMinute: limit})
		keepers := []*quota.Keeper{k, hold(t, f, quota.Options{Holder: "b"}), hold(t, f, quota.Options{Holder: "c"})}
		log := make([][]spent, 60)
		var wg sync.WaitGroup
		began := time.Now()
		for i := range log {
			wg.Go(func() { log[i] = waves(t, keepers[i%3], a, rand.New(rand.NewPCG(uint64(i), 3)), began) })
		}
		wg.Wait()
		judge(t, slices.Concat(log...), limit)
	})
}

// The same for calls that are all paid from stock: what new ones spend is no room for what old ones bring back.
func TestOldCallsTakeNothingFromNewOnes(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		const limit = 600_000
		a := account(nil, &ratelimitv1.Limits{TokensPerMinute: limit})
		var all []spent
		var old []*quota.Reservation
		for range 400 { // these use nothing in the end, so they count for nothing
			old = append(old, mustReserve(t, k, a, 1000))
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(2 * time.Minute) // all of it refills
		before, _, _ := f.counts()
		for len(old) > 0 {
			if _, err := k.Reserve(t.Context(), a, "req", quota.Amount{Tokens: 400}); err == nil {
				all = append(all, spent{at: time.Now(), tokens: 400})
			}
			if len(all)%10 == 0 {
				old[0].Settle(quota.Amount{}, false)
				old = old[1:]
			}
			time.Sleep(5 * time.Millisecond)
		}
		after, _, _ := f.counts()
		t.Logf("%d asked", after-before)
		judge(t, all, limit)
	})
}

// judge holds what was spent against the promise.
func judge(t *testing.T, all []spent, limit float64) {
	t.Helper()
	slices.SortFunc(all, func(a, b spent) int { return a.at.Compare(b.at) })
	var level, most, used float64
	last := all[0].at
	for _, s := range all {
		level = max(0, level-limit*s.at.Sub(last).Minutes()) + float64(s.tokens)
		last, most, used = s.at, max(most, level), used+float64(s.tokens)
	}
	t.Logf("%d calls, %.0f tokens, at most %.0f at once", len(all), used, most)
	if most > limit+1 {
		t.Errorf("%.0f tokens in use at once where %.0f are allowed", most, limit)
	}
}

type spent struct {
	at     time.Time
	tokens int64
}

// waves makes calls that end late and use little of what they reserve, in waves: at first few, so that they are paid from
// stock, then a quiet minute in which everything refills, then as many as pass, while those of before end.
func waves(t *testing.T, k *quota.Keeper, a quota.Account, r *rand.Rand, began time.Time) (all []spent) {
	t.Helper()
	var open sync.WaitGroup
	defer open.Wait()
	for time.Since(began) < 10*time.Minute {
		n, pause := 1+r.Int64N(400), 3*time.Second
		var used int64
		switch phase := time.Since(began) % (2 * time.Minute); {
		case phase > 90*time.Second: // all that passes, and all of it is used
			used, pause = n, time.Duration(r.IntN(100))*time.Millisecond
		case phase > 30*time.Second:
			time.Sleep(90*time.Second - phase + time.Duration(r.IntN(1000))*time.Millisecond)
			continue
		}
		if reservation, err := k.Reserve(t.Context(), a, "req", quota.Amount{Tokens: n}); err == nil {
			all = append(all, spent{at: time.Now(), tokens: used})
			open.Add(1)
			time.AfterFunc(time.Duration(r.IntN(100))*time.Second, func() {
				defer open.Done()
				reservation.Settle(quota.Amount{Tokens: used}, false)
			})
		}
		time.Sleep(pause)
	}
	return all
}

// TestRareCallsAreAskedFor: an account that is used now and then holds no stock, which nobody would spend in time, and is
// forgotten in the end.
func TestRareCallsAreAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(plenty, plenty)
		for range 10 {
			mustReserve(t, k, a, 100).Settle(quota.Amount{Tokens: 100}, false)
			time.Sleep(3 * time.Second)
		}
		synctest.Wait()
		reserves, _, _ := f.counts()
		if _, _, held := f.left("acme", scope(ratelimitv1.ScopeKind_SCOPE_KIND_KEY, "k1", plenty)); reserves != 10 || held != 0 {
			t.Errorf("%d of 10 calls asked, %d are held", reserves, held)
		}
		time.Sleep(10 * time.Minute)
		mustReserve(t, k, a, 100).Settle(quota.Amount{Tokens: 100}, false)
	})
}
