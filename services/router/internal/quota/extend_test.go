package quota_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

func tokens(n int64) quota.Amount { return quota.Amount{Tokens: n} }

// mustExtend reserves more or fails the test.
func mustExtend(t *testing.T, r *quota.Reservation, more quota.Amount) {
	t.Helper()
	if err := r.Extend(t.Context(), more); err != nil {
		t.Fatal(err)
	}
}

// mustNotExtend is why no more can be reserved, or fails the test.
func mustNotExtend(t *testing.T, r *quota.Reservation, more quota.Amount) *fault.Error {
	t.Helper()
	err := r.Extend(t.Context(), more)
	if err == nil {
		t.Fatalf("%+v more was reserved", more)
	}
	return fault.From(err)
}

// tokensLeft are those that the service has of an account.
func tokensLeft(f *fake, a quota.Account, tenant bool) int64 {
	s := scope(ratelimitv1.ScopeKind_SCOPE_KIND_KEY, a.KeyID, a.Key)
	if tenant {
		s = scope(ratelimitv1.ScopeKind_SCOPE_KIND_TENANT, a.Tenant, a.TenantLimits)
	}
	_, left, _ := f.left(a.Tenant, s)
	return left
}

// A stream reserves more tokens of both accounts, takes no request and no place for it, and all of it is settled with what
// was used together, the last slice first; an overrun too.
func TestExtendTokens(t *testing.T) {
	t.Parallel()
	for used, want := range map[int64]int64{0: 0, 30: 30, 250: 250, 700: 700} {
		t.Run(strconv.FormatInt(used, 10), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
				a := account(&ratelimitv1.Limits{TokensPerMinute: 500, RequestsPerMinute: 1, ConcurrentRequests: 1}, &ratelimitv1.Limits{TokensPerMinute: 6000})
				r := mustReserve(t, k, a, 100)
				mustExtend(t, r, tokens(200))
				mustExtend(t, r, tokens(200))
				got := mustNotExtend(t, r, tokens(200))
				if got.Reason != errorsv1.Reason_REASON_RATE_LIMITED || got.Metadata["scope"] != "key" || got.Metadata["dimension"] != "tokens" ||
					got.Metadata["limit"] != "500" || got.Metadata["remaining"] != "0" || got.RetryAfter != 24*time.Second ||
					!strings.Contains(got.Message, "(500 per minute) has 0 left") || !strings.Contains(got.Message, "wait 24.0 s") {
					t.Errorf("the third: %v %v %v", got, got.Metadata, got.RetryAfter)
				}
				if key, tenant := tokensLeft(f, a, false), tokensLeft(f, a, true); key != 0 || tenant != 5500 {
					t.Errorf("%d and %d are left while it runs", key, tenant)
				}
				r.Settle(tokens(used), false)
				synctest.Wait()
				time.Sleep(100 * time.Millisecond)
				if key := tokensLeft(f, a, false); key != min(500-want, 500) {
					t.Errorf("%d are left of the key's, want %d", key, 500-want)
				}
				if tenant := tokensLeft(f, a, true); tenant < 6000-want || tenant > 6000-want+11 {
					t.Errorf("%d are left of the tenant's, want %d", tenant, 6000-want)
				}
				reserves, settles, _ := f.counts()
				if reserves != 4 || settles != 3 {
					t.Errorf("%d reservations, %d settlements", reserves, settles)
				}
				mustReserve(t, k, account(&ratelimitv1.Limits{ConcurrentRequests: 1}, nil), 0) // one place was taken, and given back
			})
		})
	}
}

// More than the limit itself is refused like any more, and never larger than anything: the call is under way.
func TestExtendBeyondAll(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fake, k *quota.Keeper) {
		r := mustReserve(t, k, account(nil, &ratelimitv1.Limits{TokensPerMinute: 600}), 100)
		for _, n := range []int64{601, 1 << 62} {
			if f := mustNotExtend(t, r, tokens(n)); f.Reason != errorsv1.Reason_REASON_RATE_LIMITED || f.Metadata["scope"] != "tenant" || f.Metadata["remaining"] != "500" || f.RetryAfter <= 0 {
				t.Errorf("%d more: %v", n, f)
			}
		}
		mustExtend(t, r, tokens(500))
		if k.Degraded() {
			t.Error("a question that can't be took the service for lost")
		}
	})
}

// Where neither tokens nor money is limited nobody is asked, nor for nothing.
func TestExtendNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		r := mustReserve(t, k, account(&ratelimitv1.Limits{RequestsPerMinute: 5}, nil), 100)
		mustExtend(t, r, quota.Amount{Tokens: 1000, PicoUSD: cent})
		limited := mustReserve(t, k, account(&ratelimitv1.Limits{TokensPerMinute: 500}, nil), 100)
		mustExtend(t, limited, quota.Amount{PicoUSD: cent})
		mustExtend(t, limited, quota.Amount{})
		var none *quota.Reservation
		mustExtend(t, none, tokens(10))
		if asked, _, _ := f.counts(); asked != 3 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// One question is for tokens and money; where one of them is refused neither is taken.
func TestExtendBoth(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{BudgetUsd: 0.5, TokensPerMinute: 1000}, nil)
		r, err := k.Reserve(t.Context(), a, "req", quota.Amount{Tokens: 100, PicoUSD: 10 * cent})
		if err != nil {
			t.Fatal(err)
		}
		refused := func(more quota.Amount, want errorsv1.Reason) {
			t.Helper()
			if got := mustNotExtend(t, r, more).Reason; got != want {
				t.Errorf("%v, want %v", got, want)
			}
		}
		mustExtend(t, r, quota.Amount{Tokens: 300, PicoUSD: 20 * cent})
		refused(quota.Amount{Tokens: 601, PicoUSD: cent}, errorsv1.Reason_REASON_RATE_LIMITED)
		refused(quota.Amount{Tokens: 10, PicoUSD: 21 * cent}, errorsv1.Reason_REASON_BUDGET_EXHAUSTED)
		mustExtend(t, r, tokens(600))
		mustExtend(t, r, quota.Amount{PicoUSD: 20 * cent})
		if got := f.till("k1"); got.held != 50*cent || tokensLeft(f, a, false) != 0 {
			t.Errorf("%+v, %d tokens", got, tokensLeft(f, a, false))
		}
		if asked, _, _ := f.counts(); asked != 6 {
			t.Errorf("asked %d times", asked)
		}
		r.Settle(quota.Amount{Tokens: 650, PicoUSD: 35 * cent}, false)
		time.Sleep(60 * time.Millisecond)
		if got := f.till("k1"); got.spent != 35*cent || got.held != 0 || tokensLeft(f, a, false) != 351 { // one came back by itself
			t.Errorf("%+v, %d tokens", got, tokensLeft(f, a, false))
		}
	})
}

// A call that was paid from stock asks for what it needs beyond, and its own part comes back to the stock.
func TestExtendFromStock(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(plenty, plenty)
		warm(t, k, a, 100)
		before, _, _ := f.counts()
		r := mustReserve(t, k, a, 100)
		if asked, _, _ := f.counts(); asked != before {
			t.Fatal("not paid from stock")
		}
		mustExtend(t, r, tokens(1000))
		time.Sleep(10 * time.Second) // the stock was renewed often; the accounts are full but for what is held
		_, settled, _ := f.counts()
		r.Settle(tokens(400), false)
		synctest.Wait()
		time.Sleep(time.Second)
		if asked, again, _ := f.counts(); asked != before+1 || again != settled+1 {
			t.Errorf("%d questions, %d settlements", asked-before, again-settled)
		}
	})
}

// Where nobody is there to answer, this router's part decides, and never more of it than there is.
func TestExtendAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		hold(t, f, quota.Options{Holder: "other"})
		time.Sleep(2 * time.Second) // both know of each other
		a := account(&ratelimitv1.Limits{TokensPerMinute: 2000, RequestsPerMinute: 1}, nil)
		r := mustReserve(t, k, a, 500)
		f.setDown(true)
		refused := func(n int64) {
			t.Helper()
			if g := mustNotExtend(t, r, tokens(n)); g.Reason != errorsv1.Reason_REASON_RATE_LIMITED || g.Metadata["limit"] != "2000" || g.RetryAfter <= 0 {
				t.Errorf("%d more: %v", n, g)
			}
		}
		refused(1001) // half of the limit is this router's
		mustExtend(t, r, tokens(600))
		refused(401)
		mustExtend(t, r, tokens(400))
		refused(1)
		r.Settle(tokens(600), false) // all of the last slice and 200 of the one before; what wasn't comes back
		more := account(&ratelimitv1.Limits{TokensPerMinute: 2000}, nil)
		mustRefuse(t, k, more, 401, errorsv1.Reason_REASON_RATE_LIMITED, "key", "tokens", "2000")
		mustReserve(t, k, more, 400).Settle(tokens(400), false)
	})
}

// An answer that is merely late decides nothing, and neither does this router: the service may have given away what is left.
func TestExtendLate(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{TokensPerMinute: 2000}, nil)
		r := mustReserve(t, k, a, 500)
		resume := f.stall()
		answers := make(chan error)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { answers <- r.Extend(ctx, tokens(100)) }()
		synctest.Wait()
		f.overtake()                                                     // others are answered
		others := account(&ratelimitv1.Limits{TokensPerMinute: 90}, nil) // so little is never in stock
		others.KeyID = "k2"
		for range 20 {
			mustReserve(t, k, others, 1).Settle(tokens(1), false)
			time.Sleep(30 * time.Millisecond)
		}
		if err := <-answers; err == nil || fault.From(err).Reason != errorsv1.Reason_REASON_OVERLOADED {
			t.Errorf("%v", err)
		}
		resume()
		time.Sleep(time.Second)
		mustExtend(t, r, tokens(100))
	})
}

// A slice that comes when the call is over is given back.
func TestExtendAfterTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{TokensPerMinute: 600}, nil)
		r := mustReserve(t, k, a, 100)
		r.Settle(tokens(100), false)
		mustExtend(t, r, tokens(500))
		time.Sleep(100 * time.Millisecond)
		if left := tokensLeft(f, a, false); left < 500 {
			t.Errorf("%d left", left)
		}
	})
}

// More was used than reserved: the service is told at once, not 50 ms later.
func TestOverrunIsToldAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		used int64
		want int
	}{"an overrun": {101, 1}, "none": {100, 0}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
				r := mustReserve(t, k, account(&ratelimitv1.Limits{TokensPerMinute: 6000}, nil), 100)
				r.Settle(tokens(c.used), false)
				synctest.Wait() // no time passes
				if _, settles, _ := f.counts(); settles != c.want {
					t.Errorf("%d settlements at once, want %d", settles, c.want)
				}
			})
		})
	}
}

// stretch is tokens that were admitted at some time between asking and knowing.
type stretch struct {
	asked, known time.Time
	tokens       int64
}

// L1 with streams that go on: 16 of two routers on one limit never take more than the burst and what refills.
func TestExtendWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perMinute, period = 6000, 3 * time.Minute
		f := newFake(time.Now)
		keepers := []*quota.Keeper{hold(t, f, quota.Options{Holder: "a"}), hold(t, f, quota.Options{Holder: "b"})}
		synctest.Wait()
		a := account(nil, &ratelimitv1.Limits{TokensPerMinute: perMinute})
		var mu sync.Mutex
		var all []stretch
		var wg sync.WaitGroup
		end := time.Now().Add(period)
		for i := range 16 {
			wg.Go(func() {
				for time.Now().Before(end) {
					own := flow(t, keepers[i%2], a)
					mu.Lock()
					all = append(all, own...)
					mu.Unlock()
					time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		slices.SortFunc(all, func(x, y stretch) int { return x.known.Compare(y.known) })
		var sum, most float64
		for i := range all { // every window that begins with an admission
			sum = 0
			for _, s := range all[i:] {
				sum += float64(s.tokens)
				most = max(most, sum-perMinute*(1+s.known.Sub(all[i].asked).Minutes()))
			}
		}
		t.Logf("%d tokens in %d admissions; worst window %+.1f", int64(total64(all)), len(all), most)
		if most > 1 {
			t.Errorf("a window admitted %.1f tokens too many", most)
		}
		if got, could := total64(all), float64(perMinute)*(1+period.Minutes()); got < 0.9*could {
			t.Errorf("%.0f of %.0f could be used", got, could)
		}
	})
}

func total64(all []stretch) (n float64) {
	for _, s := range all {
		n += float64(s.tokens)
	}
	return n
}

// flow is one stream that uses all that it reserves, as long as it may.
func flow(t *testing.T, k *quota.Keeper, a quota.Account) (all []stretch) {
	began, used := time.Now(), int64(0)
	note := func(n int64) {
		all, used = append(all, stretch{asked: began, known: time.Now(), tokens: n}), used+n
	}
	r, err := k.Reserve(t.Context(), a, "req", tokens(50))
	if err != nil {
		return nil
	}
	note(50)
	for range rand.IntN(20) {
		time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
		began = time.Now()
		if r.Extend(t.Context(), tokens(30)) != nil {
			break
		}
		note(30)
	}
	r.Settle(tokens(used), false)
	return all
}

// What slices used counts against this router's part, too, for when nobody answers all of a sudden.
func TestExtendIsNoted(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{TokensPerMinute: 1000}, nil)
		r := mustReserve(t, k, a, 100)
		mustExtend(t, r, tokens(500))
		r.Settle(tokens(600), false)
		f.setDown(true)
		mustRefuse(t, k, a, 401, errorsv1.Reason_REASON_RATE_LIMITED, "key", "tokens", "1000")
		mustReserve(t, k, a, 400)
	})
}

// Right after its start a router doesn't know its part.
func TestExtendAloneTooSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(time.Now)
		k := quota.New(f, quota.Options{Holder: "r"})
		r := mustReserve(t, k, account(&ratelimitv1.Limits{TokensPerMinute: 1000}, nil), 100)
		f.setDown(true)
		if f := mustNotExtend(t, r, tokens(10)); f.Reason != errorsv1.Reason_REASON_OVERLOADED {
			t.Errorf("%v", f)
		}
		time.Sleep(6 * time.Second)
		mustExtend(t, r, tokens(10))
	})
}

// Tokens of a call whose money is there already need no budget that somebody knows of; money does.
func TestExtendAloneOfBudget(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		r := mustPay(t, k, account(&ratelimitv1.Limits{TokensPerMinute: 1000, BudgetUsd: 1}, nil), cent)
		f.setDown(true)
		time.Sleep(time.Minute)
		mustExtend(t, r, tokens(100))
		if f := mustNotExtend(t, r, quota.Amount{Tokens: 100, PicoUSD: cent}); f.Reason != errorsv1.Reason_REASON_SERVICE_UNAVAILABLE {
			t.Errorf("%v", f)
		}
		mustExtend(t, r, tokens(900)) // what was refused took nothing
	})
}
