package storetest

import (
	"strconv"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

const budget = ratelimitv1.Dimension_DIMENSION_BUDGET

// untilMidnight is how long the day of a clock has yet.
func untilMidnight(b *bench) time.Duration {
	return store.Ends(store.Day, store.Began(store.Day, b.Now()), b.Now())
}

// never checks a refusal that no wait helps against.
func (b *bench) never(a store.Answer) {
	b.Helper()
	if r := a.Refusal; r == nil || !r.Never || r.RetryAfter != 0 || r.Balance.Dimension != budget {
		b.Fatalf("%+v, want never", r)
	}
}

// unseeded checks that a budget is closed.
func (b *bench) unseeded(a store.Answer, from time.Time) {
	b.Helper()
	if r := a.Refusal; r == nil || !r.Balance.Unseeded || !r.Balance.From.Equal(from) || r.RetryAfter != store.Unknown || r.Never {
		b.Fatalf("%+v, want unseeded since %v", r, from)
	}
}

var moneyCases = []struct {
	name string
	run  func(b *bench)
}{
	{"what nobody knows of is closed until it is seeded", func(b *bench) {
		for _, period := range []ratelimitv1.BudgetPeriod{store.Day, store.Month, store.Total} {
			s := budgeted(10, period)
			s[0].ID = period.String()
			b.unseeded(b.pay("1"+s[0].ID, 1, s...), store.Began(period, b.Now()))
			b.seed(9*dollar, s[0])
			b.admitted(b.pay("2"+s[0].ID, dollar, s...))
			b.left(s[0], 0)
		}
	}},
	{"a slice of tokens names the budget, which stays as it is", func(b *bench) {
		whole := one(store.Limits{Requests: 10, Tokens: 100, Budget: 10 * dollar, Period: store.Day})
		alone := one(store.Limits{Tokens: 100, Budget: 10 * dollar, Period: store.Day})
		b.seed(0, whole[0])
		b.admitted(b.pay("1", 4*dollar, whole...))
		c := b.call("1a", 0, alone...)
		c.Tokens = 60
		b.admitted(b.made(c))
		b.left(whole[0], 9, 40, 6*dollar)
		b.settled(store.Settlement{ID: "1a", Holder: "h", Tenant: "acme", Scopes: alone, Tokens: 20})
		b.paid("1", 3*dollar, whole...)
		b.left(whole[0], 9, 80, 7*dollar)
	}},
	{"a seed raises and never lowers", func(b *bench) {
		s := budgeted(10, store.Day)
		b.seed(3*dollar, s[0])
		b.seed(1*dollar, s[0])
		b.left(s[0], 7*dollar)
		b.seed(4*dollar, s[0])
		b.left(s[0], 6*dollar)
		err := b.store.Seed(b.Context(), store.Seed{Tenant: "acme", Scope: s[0], From: store.Began(store.Day, b.Now()).AddDate(0, 0, -1), Spent: 9 * dollar})
		if err != nil {
			b.Fatal(err)
		}
		b.left(s[0], 6*dollar)
	}},
	{"reserved and settled is never more than the budget", func(b *bench) {
		s := budgeted(10, store.Day)
		b.seed(0, s[0])
		b.admitted(b.pay("1", 6*dollar, s...))
		b.refused(b.pay("2", 4*dollar+1, s...), key, budget, untilMidnight(b))
		b.admitted(b.pay("2", 4*dollar, s...))
		b.paid("1", dollar, s...)
		b.left(s[0], 5*dollar)
		b.paid("1", 3*dollar, s...) // once
		b.left(s[0], 5*dollar)
		b.paid("2", 0, s...) // zero is a number
		b.left(s[0], 9*dollar)
	}},
	{"money is exact to the last part", func(b *bench) {
		s := one(store.Limits{Budget: 9_223_372*dollar - dollar + 1, Period: store.Total})
		b.seed(9_007_199_254_740_993, s[0])
		b.admitted(b.pay("1", 123_456_789_123_456_789, s...))
		b.left(s[0], 9_223_371_000_000_000_001-9_007_199_254_740_993-123_456_789_123_456_789)
		b.paid("1", 1, s...)
		b.left(s[0], 9_223_371_000_000_000_001-9_007_199_254_740_993-1)
	}},
	{"money ends somewhere", func(b *bench) {
		s := one(store.Limits{Budget: store.MaxMoney, Period: store.Total})
		b.seed(1<<63-1, s[0])
		b.left(s[0], 0)
		b.never(b.pay("1", 1, s...))
		b.admitted(b.pay("2", 0, s...))
		b.paid("2", store.MaxMoney, s...)
		b.left(s[0], 0)
	}},
	{"an overrun of money blocks what follows", func(b *bench) {
		s := budgeted(10, store.Month)
		b.seed(0, s[0])
		b.admitted(b.pay("1", 5*dollar, s...))
		b.paid("1", 12*dollar, s...)
		b.left(s[0], -2*dollar)
		end := store.Ends(store.Month, store.Began(store.Month, b.Now()), b.Now())
		b.refused(b.pay("2", 1, s...), key, budget, end)
		b.admitted(b.pay("free", 0, s...))
	}},
	{"what never reached a provider costs nothing", func(b *bench) {
		s := budgeted(10, store.Day)
		b.seed(0, s[0])
		b.admitted(b.pay("1", 5*dollar, s...))
		b.settled(store.Settlement{ID: "1", Holder: "h", Tenant: "acme", Scopes: s, Cost: 5 * dollar, Unused: true})
		b.left(s[0], 10*dollar)
	}},
	{"larger than the budget is never, and so is what is used up for ever", func(b *bench) {
		s := budgeted(10, store.Day)
		b.seed(0, s[0])
		b.never(b.pay("1", 10*dollar+1, s...))
		s[0].Limits.Period = store.Total
		b.seed(6*dollar, s[0])
		a := b.pay("2", 5*dollar, s...)
		b.never(a)
		if a.Refusal.Balance.Reset != store.NoReset {
			b.Errorf("%+v", a.Refusal)
		}
	}},
	{"money of all accounts or none", func(b *bench) {
		s := []store.Scope{
			{Kind: key, ID: "k", Limits: store.Limits{Requests: 10, Budget: 10 * dollar, Period: store.Day}},
			{Kind: tenant, ID: "acme", Limits: store.Limits{Budget: 4 * dollar, Period: store.Month}},
		}
		b.seed(0, s[0])
		b.unseeded(b.pay("1", dollar, s...), store.Began(store.Month, b.Now()))
		b.seed(0, s[1])
		b.admitted(b.pay("1", 3*dollar, s...))
		if a := b.pay("2", 2*dollar, s...); a.Refusal == nil || a.Refusal.Balance.Scope != tenant {
			b.Fatalf("%+v", a)
		}
		b.left(s[0], 9, 7*dollar)
		b.left(s[1], dollar)
	}},
	{"a repeated reservation pays once and answers the same", func(b *bench) {
		s := budgeted(10, store.Day)
		b.seed(0, s[0])
		first := b.pay("1", 6*dollar, s...)
		second := b.pay("1", 6*dollar, s...)
		if second.Refusal != nil || first.Balances[0].Remaining != second.Balances[0].Remaining {
			b.Errorf("%+v, then %+v", first, second)
		}
		b.left(s[0], 4*dollar)
		b.paid("1", 2*dollar, s...)
		b.admitted(b.pay("1", 6*dollar, s...))
		b.left(s[0], 8*dollar)
	}},
	{"a period begins at zero, and costs stay in their own", func(b *bench) {
		s := budgeted(10, store.Day)
		b.seed(0, s[0])
		b.Advance(untilMidnight(b) - time.Minute)
		b.admitted(b.pay("before", 8*dollar, s...))
		b.Advance(time.Minute)
		b.left(s[0], 10*dollar)
		b.admitted(b.pay("after", 9*dollar, s...))
		b.paid("before", 20*dollar, s...)
		b.left(s[0], dollar)
		b.paid("after", 5*dollar, s...)
		b.left(s[0], 5*dollar)
	}},
	{"months are those of the calendar", func(b *bench) {
		s := budgeted(10, store.Month)
		b.seed(0, s[0])
		for i := range 50 {
			id := strconv.Itoa(i)
			b.admitted(b.pay(id, 10*dollar, s...))
			end := store.Ends(store.Month, store.Began(store.Month, b.Now()), b.Now())
			b.refused(b.pay("x"+id, 1, s...), key, budget, end)
			b.Advance(end - time.Millisecond)
			b.refused(b.pay("x"+id, 1, s...), key, budget, time.Millisecond)
			b.Advance(time.Millisecond)
		}
	}},
	{"what isn't settled expires as spent", func(b *bench) {
		s := budgeted(10, store.Total)
		b.seed(0, s[0])
		b.admitted(b.pay("1", 4*dollar, s...))
		b.Advance(2 * time.Hour)
		b.left(s[0], 6*dollar)
		b.paid("1", dollar, s...) // too late to bring anything back
		b.left(s[0], 6*dollar)
		b.admitted(b.pay("2", 4*dollar, s...))
		b.Advance(2 * time.Hour)
		b.paid("2", 5*dollar, s...) // though not for an overrun
		b.left(s[0], dollar)
		b.paid("2", 5*dollar, s...)
		b.left(s[0], dollar)
	}},
	{"a deferred call takes no place, outlives its holder, and anybody settles it", func(b *bench) {
		s := one(store.Limits{Concurrency: 1, Budget: 10 * dollar, Period: store.Total})
		b.seed(0, s[0])
		c := b.call("1", 4*dollar, s...)
		c.Deferred, c.Hold = true, 48*time.Hour
		b.admitted(b.made(c))
		c.ID = "2"
		b.admitted(b.made(c))
		b.left(s[0], 1, 2*dollar)
		b.Advance(47 * time.Hour)
		b.left(s[0], 1, 2*dollar)
		b.settled(store.Settlement{ID: "1", Holder: "another", Tenant: "acme", Scopes: s, Cost: dollar})
		b.left(s[0], 1, 5*dollar)
		b.Advance(30 * time.Minute) // longer than others are remembered
		b.settled(store.Settlement{ID: "1", Holder: "third", Tenant: "acme", Scopes: s, Cost: 3 * dollar})
		b.left(s[0], 1, 5*dollar)
		b.Advance(time.Hour)
		b.settled(store.Settlement{ID: "2", Holder: "another", Tenant: "acme", Scopes: s, Cost: dollar})
		b.left(s[0], 1, 5*dollar)
	}},
	{"a new budget holds at once", func(b *bench) {
		s := budgeted(10, store.Day)
		b.seed(0, s[0])
		b.admitted(b.pay("1", 8*dollar, s...))
		b.refused(b.pay("2", 3*dollar, s...), key, budget, untilMidnight(b))
		b.admitted(b.pay("2", 3*dollar, budgeted(20, store.Day)...))
		b.left(budgeted(5, store.Day)[0], -6*dollar)
		b.refused(b.pay("3", 1, budgeted(5, store.Day)...), key, budget, untilMidnight(b))
	}},
	{"another period and back finds what was spent", func(b *bench) {
		day, month := budgeted(10, store.Day), budgeted(100, store.Month)
		b.seed(0, day[0])
		b.admitted(b.pay("1", 3*dollar, day...))
		b.unseeded(b.pay("2", dollar, month...), store.Began(store.Month, b.Now()))
		b.seed(50*dollar, month[0])
		b.paid("1", 2*dollar, day...) // wasn't in the ledger when the month was seeded
		b.left(month[0], 48*dollar)
		b.left(day[0], 8*dollar)
		b.admitted(b.pay("2", 4*dollar, month...))
		b.left(day[0], 4*dollar)
		b.left(month[0], 44*dollar)
	}},
	{"a budget that was away is seeded again", func(b *bench) {
		s, without := budgeted(10, store.Day), one(store.Limits{Requests: 5})
		b.seed(0, s[0])
		b.admitted(b.pay("1", 3*dollar, s...))
		b.Advance(time.Second)
		b.admitted(b.pay("2", 3*dollar, without...))
		b.unseeded(b.pay("3", 1, s...), store.Began(store.Day, b.Now()))
		b.seed(6*dollar, s[0])
		b.paid("1", 2*dollar, s...)
		b.left(s[0], 2*dollar)
	}},
	{"a reservation that was lost is charged when it is settled", func(b *bench) {
		s := budgeted(10, store.Total)
		b.paid("early", 2*dollar, s...) // nobody knows the account, and the ledger of the call
		b.seed(dollar, s[0])
		b.paid("lost", 2*dollar, s...)
		b.paid("lost", 2*dollar, s...)
		b.left(s[0], 5*dollar)
		b.settled(store.Settlement{ID: "vain", Holder: "h", Tenant: "acme", Scopes: s, Cost: dollar, Unused: true})
		b.left(s[0], 5*dollar)
		b.Advance(store.Recent)
		b.paid("old", 2*dollar, s...)
		b.left(s[0], 5*dollar)
	}},
	{"what is settled while nobody knows the account belongs to its period", func(b *bench) {
		s := budgeted(10, store.Day)
		b.paid("1", 2*dollar, s...)
		b.paid("2", 3*dollar, s...)
		b.Advance(untilMidnight(b))
		b.paid("3", 4*dollar, s...)
		b.seed(dollar, s[0])
		b.left(s[0], 5*dollar)
	}},
	{"what was admitted elsewhere is taken in any case", func(b *bench) {
		s := one(store.Limits{Requests: 5, Tokens: 50, Concurrency: 1, Budget: 10 * dollar, Period: store.Day})
		c := b.call("1", 8*dollar, s...)
		c.Forced = true
		b.admitted(b.made(c))
		b.left(s[0], 5, 50, 1, 0)
		b.seed(0, s[0])
		b.paid("1", dollar, s...)
		b.left(s[0], 5, 50, 1, 9*dollar)
		c.ID, c.Cost = "2", 12*dollar
		b.admitted(b.made(c))
		b.left(s[0], 5, 50, 1, -3*dollar)
		b.paid("2", 2*dollar, s...)
		b.left(s[0], 5, 50, 1, 7*dollar)
	}},
}
