package quota

import (
	"context"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/money"
)

// grace is how old what the service told of a budget may be for a router to go on by it while nobody answers. After that,
// and for a budget that it never heard of, nothing is spent: nobody knows whether it is there.
const grace = 30 * time.Second

// budgetOf is a budget in pico-dollars. One that can't be is so small that it lets nothing pass.
func budgetOf(usd float64) int64 {
	pico, err := money.FromUSD(usd)
	if err != nil {
		return 1
	}
	return pico
}

// budget is in 10^-12 US dollars; zero is none.
type budget struct {
	pico   int64
	period ratelimitv1.BudgetPeriod
}

// price is what a call asks of the budgets of its key and its tenant.
type price struct {
	budgets [2]budget
	cost    int64
}

func (a Account) price(pico int64) *price {
	p := &price{cost: max(pico, 0)}
	for i, l := range [2]*ratelimitv1.Limits{a.Key, a.TenantLimits} {
		if usd := l.GetBudgetUsd(); usd != 0 {
			p.budgets[i] = budget{pico: budgetOf(usd), period: l.GetBudgetPeriod()}
		}
	}
	return p
}

// budgeted reports whether an account has a budget.
func (c *claim) budgeted(i int) bool { return c.money != nil && c.money.budgets[i].pico > 0 }

// cost is the most that the call can cost.
func (c *claim) cost() int64 {
	if c.money == nil {
		return 0
	}
	return c.money.cost
}

// terms are the limits of an account as the service is told them.
func (c *claim) terms(i int) *ratelimitv1.Limits {
	l := c.limits[i].proto()
	if c.budgeted(i) {
		l.BudgetUsd, l.BudgetPeriod = money.ToUSD(c.money.budgets[i].pico), c.money.budgets[i].period
	}
	return l
}

// purse is what this router knows of an account's budget. Guarded by the stock's lock.
type purse struct {
	// seen is when the service told that so much was left of a budget; spent was taken of it since, without asking.
	seen        time.Time
	of          budget
	left, spent int64
	// open is what calls under way hold, as the service knows it; freed was held, and not used, by calls that ended in the
	// moment that began at since, before by those that ended in the moment before that.
	open, freed, before int64
	since               time.Time
}

// moment is longer than a settlement is mostly under way.
const moment = time.Second

// release notes that a call ended and what it didn't use of what it held.
func (p *purse) release(held, used int64, now time.Time) {
	p.turn(now)
	p.open -= held
	p.freed += max(0, held-used)
}

// turn begins another moment where the last one is over.
func (p *purse) turn(now time.Time) {
	switch age := now.Sub(p.since); {
	case age < moment:
	case age < 2*moment:
		p.before, p.freed, p.since = p.freed, 0, p.since.Add(moment)
	default:
		p.before, p.freed, p.since = 0, 0, now
	}
}

// mayFree is what calls of this router hold that may come back soon.
func (p *purse) mayFree(now time.Time) int64 {
	p.turn(now)
	return p.open + p.freed + p.before
}

// learn notes what is left. Of answers to questions that were asked at the same time nobody knows which came last: the
// smaller one counts.
func (p *purse) learn(of budget, left int64, asked, now time.Time) {
	if asked.Before(p.seen) && of.period == p.of.period {
		left = min(left, p.under(of))
	}
	p.seen, p.of, p.left, p.spent = now, of, left, 0
}

// under is what was left, under another budget for the same period: what was spent stays spent.
func (p *purse) under(b budget) int64 { return p.left + b.pico - p.of.pico }

// learn notes what the service tells of budgets.
func (k *Keeper) learn(c *claim, balances []*ratelimitv1.Balance, asked time.Time) {
	now := k.clock()
	for _, b := range balances {
		for i, n := range c.names {
			if b.GetDimension() == ratelimitv1.Dimension_DIMENSION_BUDGET && b.GetScope() == n.kind && c.budgeted(i) {
				s := k.stocks.hold(n)
				s.purse.learn(c.money.budgets[i], b.GetRemaining(), asked, now)
				s.mu.Unlock()
			}
		}
	}
}

// spend takes the money of a call from this router's part of what was left, of all purses or of none. The stocks are
// locked.
func (p pair) spend(c *claim, routers int64, now time.Time) (seen [2]time.Time, err error) {
	for i, s := range p {
		if s == nil || !c.budgeted(i) {
			continue
		}
		w, b := &s.purse, c.money.budgets[i]
		if w.seen.IsZero() || now.Sub(w.seen) > grace || b.period != w.of.period || w.spent+c.cost() > w.under(b)/max(routers, 1) {
			return seen, unchecked(s.name.kind, "nobody answers, and what was last told of it doesn't do")
		}
	}
	for i, s := range p {
		if s != nil && c.budgeted(i) {
			s.purse.spent += c.cost()
			seen[i] = s.purse.seen
		}
	}
	return seen, nil
}

// reserveMoney is Reserve for who has a budget.
func (k *Keeper) reserveMoney(ctx context.Context, c *claim, requestID string) (*Reservation, error) {
	r, err := k.decide(ctx, c, requestID)
	if r == nil {
		return nil, err
	}
	own := slice{amount: Amount{Tokens: c.tokens, PicoUSD: c.cost()}}
	if r.asked != nil {
		own.request = r.asked.request
		k.opened(c)
	} else {
		own.seen = [2]time.Time{r.alone[0].seen, r.alone[1].seen}
	}
	r.spending.Store(&spending{claim: c.others(), requestID: requestID, slices: []slice{own}})
	return r, nil
}

// opened notes what a call holds of its budgets.
func (k *Keeper) opened(c *claim) {
	p := k.stocks.holdBoth(c)
	for i, s := range p {
		if s != nil && c.budgeted(i) {
			s.purse.open += c.cost()
		}
	}
	p.unlock()
}
