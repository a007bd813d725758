package memory

import (
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// purse is the money of one account and one kind of period: what is settled and reserved together. The zero value is one
// of which nothing is known.
type purse struct {
	began  time.Time // the period
	seeded time.Time // tells it from one that was forgotten, too
	used   int64
}

func (p *purse) known() bool { return !p.seeded.IsZero() }

// is reports whether it is the one that a call was charged to.
func (p *purse) is(c charge) bool {
	return !c.seeded.IsZero() && c.began.Equal(p.began) && c.seeded.Equal(p.seeded)
}

// add charges an amount, or gives it back.
func (p *purse) add(n int64) { p.used = max(0, added(p.used, n)) }

// added is a sum that ends at MaxMoney.
func added(a, b int64) int64 {
	if b > 0 && a > store.MaxMoney-b {
		return store.MaxMoney
	}
	return a + b
}

// charge names the purse that a call was charged to; the zero value names none.
type charge struct{ began, seeded time.Time }

// charges are those of a call to one account; nil where there are none, as with most calls.
type charges *[store.Periods + 1]charge

// purses are those of an account, by their kind of period; none where it has no budget. All that are known are charged,
// not just the one in force: who changes a budget's period and changes it back finds what was spent.
type purses []purse

// purse is the account's money of one kind of period.
func (a *account) purse(kind ratelimitv1.BudgetPeriod) *purse {
	if a.purses == nil {
		a.purses = make(purses, store.Periods+1)
	}
	return &a.purses[kind]
}

// turn begins the periods that have come: at zero, since all that is spent passes through a known account. A store that
// has only a part of a budget knows of that part only, and forgets.
func (all purses) turn(now time.Time, divided bool) {
	for kind := range all {
		p := &all[kind]
		if !p.known() {
			continue
		}
		began := store.Began(ratelimitv1.BudgetPeriod(kind), now)
		if !p.began.Before(began) {
			continue
		}
		p.began, p.used = began, 0
		if divided {
			*p = purse{}
		}
	}
}

// charge takes the cost of a call from all that are known.
func (all purses) charge(cost int64) charges {
	if !all.kept() {
		return nil
	}
	charged := charges(new([store.Periods + 1]charge))
	for kind := range all {
		if p := &all[kind]; p.known() {
			p.add(cost)
			charged[kind] = charge{began: p.began, seeded: p.seeded}
		}
	}
	return charged
}

// pay settles the cost of a reservation: where it was charged, the difference; where it wasn't, though it was made in this
// period, all of it.
func (all purses) pay(c *call, charged charges, cost int64, over bool) {
	for kind := range all {
		p := &all[kind]
		paid := charged != nil && p.is(charged[kind])
		switch {
		case !p.known():
		case paid && over:
			p.add(max(0, cost-c.cost))
		case paid:
			p.add(cost - c.cost)
		case !c.made.Before(p.began):
			p.add(cost)
		}
	}
}

// payUnknown charges the cost of a reservation that isn't known and may have been lost.
func (all purses) payUnknown(cost int64, now time.Time) {
	for kind := range all {
		if p := &all[kind]; p.known() && now.Sub(p.seeded) < store.Recent {
			p.add(cost)
		}
	}
}

// owe notes a cost where the budget in force isn't known.
func (a *account) owe(cost int64) {
	if a.whole.Budget == 0 || cost == 0 || a.purse(a.whole.Period).known() {
		return
	}
	began := store.Began(a.whole.Period, a.seen)
	if !a.owed.began.Equal(began) {
		a.owed = purse{began: began}
	}
	a.owed.add(cost)
	a.owedLast = a.seen
}

// open begins a purse with what the ledger has, and with what it may not have yet.
func (a *account) open(p *purse, x store.Seed, now time.Time) {
	*p = purse{began: x.From, seeded: now, used: min(x.Spent, store.MaxMoney)}
	if a.owed.began.Equal(x.From) && now.Sub(a.owedLast)-x.Age < store.Shipping {
		p.add(a.owed.used)
	}
	a.owed = purse{}
}

// kept reports whether an account has money that forgetting would lose.
func (all purses) kept() bool {
	for kind := range all {
		if all[kind].known() {
			return true
		}
	}
	return false
}

// budget is the balance of the budget in force.
func (a *account) budget() store.Balance {
	p := a.purse(a.whole.Period)
	b := store.Balance{
		Scope: a.kind, Dimension: ratelimitv1.Dimension_DIMENSION_BUDGET, Limit: a.whole.Budget, Remaining: a.whole.Budget - p.used,
	}
	began := store.Began(a.whole.Period, a.seen)
	if p.known() {
		began = p.began
	} else {
		b.Remaining, b.Unseeded, b.From = 0, true, began
	}
	b.Reset = store.Ends(a.whole.Period, began, a.seen)
	return b
}

// affords is why a cost can't be paid, nil where it can.
func (a *account) affords(cost int64) *store.Refusal {
	if a.whole.Budget == 0 || cost == 0 {
		return nil
	}
	b := a.budget()
	switch {
	case b.Unseeded:
		return &store.Refusal{Balance: b, RetryAfter: store.Unknown}
	case cost <= b.Remaining:
		return nil
	case cost > a.whole.Budget || b.Reset == store.NoReset:
		return &store.Refusal{Balance: b, Never: true}
	}
	return &store.Refusal{Balance: b, RetryAfter: b.Reset}
}
