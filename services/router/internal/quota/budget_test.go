package quota_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

// till is the money of one account of the fake; the zero value is one where nothing was spent.
type till struct{ spent, held, most int64 }

func (m *till) hold(n int64) {
	m.held += n
	m.most = max(m.most, m.spent+m.held)
}

func (m *till) settle(held, spent int64) {
	m.held -= held
	m.spent += spent
	m.most = max(m.most, m.spent+m.held)
}

func (m *till) balance(s *ratelimitv1.Scope) *ratelimitv1.Balance {
	limit, _ := money.FromUSD(s.GetLimits().GetBudgetUsd())
	return &ratelimitv1.Balance{
		Scope: s.GetKind(), Dimension: ratelimitv1.Dimension_DIMENSION_BUDGET, Limit: limit, Remaining: limit - m.spent - m.held,
	}
}

// nextPeriod is when the fake's periods end.
const nextPeriod = 3 * time.Hour

func (m *till) refusal(r *ratelimitv1.ReserveRequest, s *ratelimitv1.Scope, unseeded bool) *ratelimitv1.Refusal {
	b := m.balance(s)
	if unseeded {
		b.Remaining = 0
		return &ratelimitv1.Refusal{Balance: b, RetryAfter: durationpb.New(time.Second), Unseeded: true}
	}
	if r.GetCostPicoUsd() == 0 || r.GetCostPicoUsd() <= b.GetRemaining() {
		return nil
	}
	if s.GetLimits().GetBudgetPeriod() == ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL || r.GetCostPicoUsd() > b.GetLimit() {
		return &ratelimitv1.Refusal{Balance: b, Never: true}
	}
	return &ratelimitv1.Refusal{Balance: b, RetryAfter: durationpb.New(nextPeriod)}
}

func (f *fake) till(id string) till {
	f.mu.Lock()
	defer f.mu.Unlock()
	kind := ratelimitv1.ScopeKind_SCOPE_KIND_KEY
	if id == "acme" {
		kind = ratelimitv1.ScopeKind_SCOPE_KIND_TENANT
	}
	return f.shared("acme", &ratelimitv1.Scope{Kind: kind, Id: id}).money
}

func budget(usd float64, p ratelimitv1.BudgetPeriod) *ratelimitv1.Limits {
	return &ratelimitv1.Limits{BudgetUsd: usd, BudgetPeriod: p}
}

const (
	day   = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY
	total = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL
	cent  = money.Dollar / 100
)

func pay(t *testing.T, k *quota.Keeper, a quota.Account, pico int64) (*quota.Reservation, error) {
	t.Helper()
	return k.Reserve(t.Context(), a, "req", quota.Amount{Tokens: 10, PicoUSD: pico})
}

func mustPay(t *testing.T, k *quota.Keeper, a quota.Account, pico int64) *quota.Reservation {
	t.Helper()
	r, err := pay(t, k, a, pico)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every call is asked for and settled with what it cost, an explicit zero too; both accounts pay.
func TestBudgetIsAsked(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{BudgetUsd: 1, RequestsPerMinute: 100_000}, budget(2, day))
		for range 20 {
			mustPay(t, k, a, 4*cent).Settle(quota.Amount{Tokens: 5, PicoUSD: 3 * cent}, false)
			mustPay(t, k, a, 4*cent).Settle(quota.Amount{}, false)
			time.Sleep(100 * time.Millisecond)
		}
		if asked, _, _ := f.counts(); asked != 40 {
			t.Errorf("asked %d times, want 40: nothing of it comes from stock", asked)
		}
		for _, id := range []string{"k1", "acme"} {
			if got := f.till(id); got.spent != 60*cent || got.held != 0 {
				t.Errorf("%s: %+v", id, got)
			}
		}
	})
}

func TestBudgetRefuses(t *testing.T) {
	t.Parallel()
	const exhausted, larger = errorsv1.Reason_REASON_BUDGET_EXHAUSTED, errorsv1.Reason_REASON_LARGER_THAN_LIMIT
	for _, c := range []struct {
		name             string
		account          quota.Account
		spent, cost      int64
		unseeded         bool
		reason           errorsv1.Reason
		scope, per, text string
		after            time.Duration
	}{
		{"of a day", account(budget(10, day), nil), 990 * cent, 20 * cent, false, exhausted, "key", "day", "10.00 US dollars a day", nextPeriod},
		{"of a month, which is the default", account(nil, budget(10, 0)), 990 * cent, 20 * cent, false, exhausted, "tenant", "month", "10.00 US dollars a month", nextPeriod},
		{"for ever", account(budget(0.5, total), nil), 49 * cent, 2 * cent, false, exhausted, "key", "total", "0.50 US dollars in all", 0},
		{"never", account(budget(0.5, day), nil), 0, 51 * cent, false, larger, "key", "day", "0.50 US dollars a day", 0},
		{"the tenant's is smaller", account(budget(5, day), budget(0.5, total)), 0, 51 * cent, false, larger, "tenant", "total", "0.50", 0},
		{"no ledger yet", account(nil, budget(1, day)), 0, cent, true, errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "tenant", "", "can't be checked", time.Second},
		{"no budget that can be", account(budget(-1, day), nil), 0, cent, false, larger, "key", "day", "budget", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
				if c.spent > 0 {
					mustPay(t, k, c.account, c.spent).Settle(quota.Amount{PicoUSD: c.spent}, false)
					time.Sleep(2 * time.Second)
				}
				f.mu.Lock()
				f.unseeded = c.unseeded
				f.mu.Unlock()
				_, err := pay(t, k, c.account, c.cost)
				var got *fault.Error
				if !errors.As(err, &got) || got.Reason != c.reason || got.Metadata["scope"] != c.scope || got.Metadata["period"] != c.per ||
					got.RetryAfter != c.after || !strings.Contains(got.Message, c.text) {
					t.Errorf("%v, %+v", err, got)
				}
			})
		})
	}
}

// A budget that has enough but for what calls under way hold isn't exhausted: it pays to wait for them.
func TestBudgetIsHeld(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(budget(1, total), nil)
		refuses := func(cost int64, want errorsv1.Reason) {
			t.Helper()
			_, err := pay(t, k, a, cost)
			if got := fault.From(err); err == nil || got.Reason != want || (got.Reason == errorsv1.Reason_REASON_RATE_LIMITED) != (got.RetryAfter == time.Second) {
				t.Errorf("%v", err)
			}
		}
		mustPay(t, k, a, 30*cent).Settle(quota.Amount{PicoUSD: 30 * cent}, false)
		time.Sleep(2 * time.Second)
		r := mustPay(t, k, a, 60*cent)
		refuses(20*cent, errorsv1.Reason_REASON_RATE_LIMITED)
		refuses(80*cent, errorsv1.Reason_REASON_BUDGET_EXHAUSTED)
		end := f.stall()
		r.Settle(quota.Amount{PicoUSD: 55 * cent}, false)
		f.overtake() // the settlement is late
		refuses(15*cent, errorsv1.Reason_REASON_RATE_LIMITED)
		end()
		time.Sleep(2 * time.Second)
		refuses(16*cent, errorsv1.Reason_REASON_BUDGET_EXHAUSTED)
		mustPay(t, k, a, 15*cent)
	})
}

// What was freed long ago isn't under way any more, though other calls of the account end all the time.
func TestBudgetIsExhaustedBesideSmallCalls(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fake, k *quota.Keeper) {
		a := account(budget(1, total), nil)
		mustPay(t, k, a, 90*cent).Settle(quota.Amount{PicoUSD: 80 * cent}, false)
		for range 10 {
			mustPay(t, k, a, 2*cent).Settle(quota.Amount{PicoUSD: cent}, false)
			time.Sleep(500 * time.Millisecond)
		}
		if _, err := pay(t, k, a, 18*cent); fault.From(err).Reason != errorsv1.Reason_REASON_BUDGET_EXHAUSTED {
			t.Errorf("%v", err)
		}
	})
}

// A call that goes on reserves more, and all of it is settled with what was used together; an overrun too.
func TestExtend(t *testing.T) {
	t.Parallel()
	for used, want := range map[int64]int64{0: 0, 3 * cent: 3 * cent, 25 * cent: 25 * cent, 60 * cent: 60 * cent} {
		t.Run(money.USD(used), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
				a := account(&ratelimitv1.Limits{BudgetUsd: 0.5, RequestsPerMinute: 2, ConcurrentRequests: 1}, &ratelimitv1.Limits{RequestsPerMinute: 2})
				r := mustPay(t, k, a, 10*cent)
				for range 2 {
					if err := r.Extend(t.Context(), quota.Amount{PicoUSD: 20 * cent}); err != nil {
						t.Fatal(err)
					}
				}
				err := r.Extend(t.Context(), quota.Amount{PicoUSD: 20 * cent})
				if got := fault.From(err); err == nil || got.Reason != errorsv1.Reason_REASON_BUDGET_EXHAUSTED {
					t.Errorf("the third: %v", err)
				}
				if got := f.till("k1"); got.held != 50*cent {
					t.Errorf("held %+v", got)
				}
				r.Settle(quota.Amount{PicoUSD: used}, false)
				time.Sleep(time.Second)
				if got := f.till("k1"); got.spent != want || got.held != 0 {
					t.Errorf("%+v, want %d spent", got, want)
				}
				mustPay(t, k, account(&ratelimitv1.Limits{RequestsPerMinute: 2, ConcurrentRequests: 1}, nil), 0) // one request and its place were taken
			})
		})
	}
	var none *quota.Reservation
	if err := none.Extend(t.Context(), quota.Amount{PicoUSD: cent}); err != nil {
		t.Error(err)
	}
}

// 64 streams of two routers on one budget, each going on as long as it may: never over, and nearly all of it is used.
func TestBudgetOfManyStreams(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{false, true} {
		t.Run("both accounts "+strconv.FormatBool(together), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(time.Now)
				keepers := []*quota.Keeper{hold(t, f, quota.Options{Holder: "a"}), hold(t, f, quota.Options{Holder: "b"})}
				synctest.Wait()
				a, id := account(budget(10, day), nil), "k1"
				if together {
					a, id = account(budget(20, total), budget(10, day)), "acme"
				}
				var wg sync.WaitGroup
				for i := range 64 {
					wg.Go(func() { streams(t, keepers[i%2], a) })
				}
				wg.Wait()
				time.Sleep(time.Second)
				got := f.till(id)
				t.Logf("spent %s, at most %s of 10.00 at once", money.USD(got.spent), money.USD(got.most))
				if got.most > 10*money.Dollar || got.held != 0 {
					t.Errorf("%+v: over the budget", got)
				}
				if got.spent < 970*cent {
					t.Errorf("%+v: most of it can't be used", got)
				}
			})
		})
	}
}

// streams makes streams until the budget has no more: each reserves a little, goes on, and uses less than it has.
func streams(t *testing.T, k *quota.Keeper, a quota.Account) {
	for {
		r, err := k.Reserve(t.Context(), a, "req", quota.Amount{PicoUSD: 3 * cent})
		if err != nil {
			return
		}
		reserved := int64(3 * cent)
		for range rand.IntN(4) {
			time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
			if r.Extend(t.Context(), quota.Amount{PicoUSD: cent}) != nil {
				break
			}
			reserved += cent
		}
		r.Settle(quota.Amount{PicoUSD: rand.Int64N(reserved + 1)}, false)
	}
}

// Where nobody answers, a router goes on with its part of what was last seen for a while, and no budget is spent unseen.
func TestBudgetAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		other := hold(t, f, quota.Options{Holder: "other"})
		time.Sleep(2 * time.Second) // both know of each other
		seen, unseen := account(budget(1, day), nil), account(budget(5, day), nil)
		unseen.KeyID = "k2"
		mustPay(t, k, seen, 20*cent).Settle(quota.Amount{PicoUSD: 20 * cent}, false)
		time.Sleep(time.Second)
		f.setDown(true)

		unchecked := func(a quota.Account, k *quota.Keeper, pico int64) {
			t.Helper()
			_, err := pay(t, k, a, pico)
			if got := fault.From(err); err == nil || got.Reason != errorsv1.Reason_REASON_SERVICE_UNAVAILABLE || got.RetryAfter == 0 {
				t.Errorf("%v", err)
			}
		}
		unchecked(unseen, k, cent)
		unchecked(seen, other, cent)
		first := mustPay(t, k, seen, 30*cent) // 80 cents were left, for two
		if err := first.Extend(t.Context(), quota.Amount{PicoUSD: 11 * cent}); err == nil {
			t.Error("more than the part")
		}
		if err := first.Extend(t.Context(), quota.Amount{PicoUSD: 10 * cent}); err != nil {
			t.Error(err)
		}
		unchecked(seen, k, cent)
		first.Settle(quota.Amount{PicoUSD: 35 * cent}, false)
		mustPay(t, k, seen, 5*cent).Settle(quota.Amount{PicoUSD: 5 * cent}, false)
		unchecked(seen, k, cent)

		f.setDown(false)
		time.Sleep(2 * time.Second)
		if got := f.till("k1"); got.spent != 60*cent || got.held != 0 {
			t.Errorf("%+v: what was spent alone wasn't told", got)
		}
		if _, err := pay(t, k, seen, 41*cent); err == nil {
			t.Error("more than is left")
		}
		mustPay(t, k, seen, 40*cent)
	})
}

func TestBudgetAloneEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(nil, &ratelimitv1.Limits{BudgetUsd: 1, RequestsPerMinute: 60})
		mustPay(t, k, a, cent).Settle(quota.Amount{}, false)
		f.setDown(true)
		time.Sleep(29 * time.Second)
		mustPay(t, k, a, cent).Settle(quota.Amount{}, false)
		time.Sleep(2 * time.Second)
		if _, err := pay(t, k, a, cent); fault.From(err).Reason != errorsv1.Reason_REASON_SERVICE_UNAVAILABLE {
			t.Errorf("%v", err)
		}
		f.setDown(false)
		time.Sleep(time.Second)
		mustPay(t, k, a, cent)
	})
}

// What is deferred stays reserved when its router ends, and another one settles it.
func TestDefer(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, k *quota.Keeper) {
		a := account(&ratelimitv1.Limits{BudgetUsd: 1, ConcurrentRequests: 1}, nil)
		r, err := k.Defer(t.Context(), a, "line", quota.Amount{PicoUSD: 60 * cent}, 24*time.Hour)
		if err != nil || !r.GetDeferred() || r.GetHold().AsDuration() != 24*time.Hour || r.GetCostPicoUsd() != 60*cent {
			t.Fatalf("%v, %v", r, err)
		}
		if _, err := k.Defer(t.Context(), a, "line", quota.Amount{PicoUSD: 41 * cent}, time.Hour); fault.From(err).Reason != errorsv1.Reason_REASON_BUDGET_EXHAUSTED {
			t.Errorf("%v", err)
		}
		other := hold(t, f, quota.Options{Holder: "other"})
		for range 2 {
			other.SettleDeferred(r, quota.Amount{PicoUSD: 25 * cent}, false)
			time.Sleep(time.Second)
		}
		if got := f.till("k1"); got.spent != 25*cent || got.held != 0 {
			t.Errorf("%+v", got)
		}
		if r, err := k.Defer(t.Context(), account(nil, nil), "line", quota.Amount{PicoUSD: cent}, time.Hour); r != nil || err != nil {
			t.Errorf("no limits: %v, %v", r, err)
		}
		other.SettleDeferred(nil, quota.Amount{}, false)
		f.setDown(true)
		if _, err := k.Defer(t.Context(), a, "line", quota.Amount{PicoUSD: cent}, time.Hour); fault.From(err).Reason != errorsv1.Reason_REASON_SERVICE_UNAVAILABLE {
			t.Errorf("nobody there: %v", err)
		}
	})
}
