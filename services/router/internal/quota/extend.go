package quota

import (
	"context"

	"github.com/headgate-mesh/headgate/kit/bucket"
)

// Extend reserves more for a call that goes on: tokens where its account has a limit on them, money where it has a budget.
// It counts no request and takes no place. Nil means that all of it is reserved; else nothing is. It returns what Reserve
// returns, but never LARGER_THAN_LIMIT. Where nobody is there to answer, this router's part of the limits decides; an answer
// that is merely late is OVERLOADED: the service may have given to others what is left.
func (r *Reservation) Extend(ctx context.Context, more Amount) error {
	if r == nil || more.Tokens <= 0 && more.PicoUSD <= 0 {
		return nil
	}
	m := r.spent()
	c := m.claim.asking(more)
	if c.none(0) && c.none(1) {
		return nil
	}
	s, err := r.keeper.more(ctx, &c, m.requestID)
	if err == nil {
		r.add(m, s)
	}
	return err
}

// spent is what a call was given beside what it began with.
func (r *Reservation) spent() *spending {
	if m := r.spending.Load(); m != nil {
		return m
	}
	m := &spending{claim: r.others(), requestID: r.requestID, slices: []slice{{amount: Amount{Tokens: r.tokens}}}}
	if r.spending.CompareAndSwap(nil, m) {
		return m
	}
	return r.spending.Load()
}

// others is claim.others of a call without a budget.
func (r *Reservation) others() claim {
	var c claim
	for i, s := range r.stocks {
		if s == nil {
			continue
		}
		s.mu.Lock()
		c.names[i], c.limits[i] = s.name, s.limits
		s.mu.Unlock()
		c.names[0].tenant = s.name.tenant
	}
	return c.others()
}

// asking is the claim with what is asked for. More than a limit is refused whatever it is: the service need not bear it.
func (c claim) asking(more Amount) claim {
	c.tokens = min(max(more.Tokens, 0), bucket.MaxLimit)
	if c.money != nil {
		p := *c.money
		p.cost = min(max(more.PicoUSD, 0), max(p.budgets[0].pico, p.budgets[1].pico)+1)
		c.money = &p
	}
	return c
}

// add notes a slice, or ends it where the call is over by now.
func (r *Reservation) add(m *spending, s slice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.settled.Load() {
		m.end(r.keeper, &s, Amount{})
		return
	}
	m.slices = append(m.slices, s)
}

// more has the service decide about a slice, or decides alone where nobody answers.
func (k *Keeper) more(ctx context.Context, c *claim, requestID string) (slice, error) {
	s := slice{amount: Amount{Tokens: c.tokens, PicoUSD: c.cost()}}
	if !k.health.Gone() {
		request := k.request(c, requestID)
		answer, err := k.put(ctx, c, request)
		if answer != nil {
			k.opened(c)
			s.request = request
		}
		if answer != nil || err != nil {
			return s, err
		}
	}
	if !k.settledIn() {
		return s, tooLate(errNotMet)
	}
	return s, k.moreAlone(c, &s)
}

// moreAlone takes a slice from this router's part of the limits and of what was left of the budgets, or nothing.
func (k *Keeper) moreAlone(c *claim, s *slice) (err error) {
	routers, now := k.live.Load(), k.clock()
	p := k.stocks.holdBoth(c)
	defer p.unlock()
	for i, st := range p {
		if st != nil {
			if err := st.refusesMore(c.tokens, c.limits[i].tokens, routers, now); err != nil {
				return err
			}
		}
	}
	if c.cost() > 0 { // else its money is there already
		if s.seen, err = p.spend(c, routers, now); err != nil {
			return err
		}
	}
	for i, st := range p {
		if st != nil && c.limits[i].tokens > 0 {
			s.own[i] = st.aloneTokens.Take(c.tokens)
		}
	}
	return nil
}
