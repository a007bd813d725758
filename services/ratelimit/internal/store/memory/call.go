package memory

import (
	"context"
	"slices"
	"time"

	"github.com/headgate-mesh/headgate/kit/bucket"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// call is a reservation under way.
type call struct {
	made, ends time.Time
	holder     string
	tokens     int64
	cost       int64
	deferred   bool
	attempts   []string // that reserved it and weren't undone
	taken      []taken
	answer     store.Answer
}

// paying reports whether any account was charged with money.
func (c *call) paying() bool {
	return slices.ContainsFunc(c.taken, func(t taken) bool { return t.charged != nil })
}

// forgotten is when nothing of the call is needed any more.
func (c *call) forgotten() time.Time {
	if c.paying() {
		return c.ends.Add(store.Linger)
	}
	return c.ends
}

// keeps is until when a call is remembered that is settled now; c is nil where it wasn't known.
func keeps(c *call, x store.Settlement, now time.Time) time.Time {
	until := now.Add(store.Keep)
	if x.Cost > 0 || (c != nil && c.cost > 0) {
		until = now.Add(store.KeepMoney)
	}
	if c != nil && c.deferred && c.ends.After(until) {
		until = c.ends
	}
	return until
}

// taken is what a call took of one account.
type taken struct {
	from             name
	requests, tokens bucket.Claim
	charged          charges
}

// Reserve takes what a call may use.
func (s *Store) Reserve(_ context.Context, c store.Call) (store.Answer, error) {
	t, parts := s.lock(c.Tenant)
	defer t.mu.Unlock()
	now := s.clock()
	undone := now.UnixNano() < t.undone[undo{call: c.ID, attempt: c.Attempt}]
	if old, ok := t.calls[c.ID]; ok && now.Before(old.ends) {
		if !undone {
			old.join(c.Attempt)
		}
		return old.answer, nil
	}
	if undone {
		return store.Answer{}, nil // nobody waits for it
	}
	if until, ok := t.settled[c.ID]; ok && now.UnixNano() < until {
		return store.Answer{}, nil
	}
	accounts := make([]*account, len(c.Scopes))
	var refusal *store.Refusal
	for i, scope := range c.Scopes {
		a := t.account(scope, parts, now)
		if accounts[i] = a; scope.Limits.Budget == 0 {
			a.purses = nil // what is spent without a budget isn't counted: it is seeded where there is one again
		}
		refusal = longer(refusal, a.refusal(c))
	}
	if refusal != nil && !c.Forced {
		return store.Answer{Refusal: refusal, Balances: balancesOf(accounts)}, nil
	}
	made := &call{made: now, ends: now.Add(c.Hold), holder: c.Holder, tokens: c.Tokens, cost: c.Cost, deferred: c.Deferred}
	made.join(c.Attempt)
	for i, a := range accounts {
		made.taken = append(made.taken, a.take(nameOf(c.Scopes[i]), c, now))
	}
	made.answer.Balances = balancesOf(accounts)
	t.calls[c.ID] = made
	return made.answer, nil
}

func balancesOf(accounts []*account) []store.Balance {
	var all []store.Balance
	for _, a := range accounts {
		all = a.balances(all)
	}
	return all
}

// take takes a call's part of the account.
func (a *account) take(from name, c store.Call, now time.Time) taken {
	t := taken{from: from, charged: a.purses.charge(c.Cost)}
	if c.Forced {
		return t
	}
	if a.limits.Requests > 0 {
		t.requests = a.requests.Take(1)
	}
	if a.limits.Tokens > 0 {
		t.tokens = a.tokens.Take(c.Tokens)
	}
	if a.limits.Concurrency > 0 && !c.Deferred {
		a.holder(c.Holder, now)
		a.occupy(c.ID, place{holder: c.Holder, ends: now.Add(c.Hold)})
	}
	return t
}

// Settle ends a call with what it used.
func (s *Store) Settle(_ context.Context, x store.Settlement) error {
	t, parts := s.lock(x.Tenant)
	defer t.mu.Unlock()
	now := s.clock()
	if until, ok := t.settled[x.ID]; ok && now.UnixNano() < until {
		return nil
	}
	c := t.calls[x.ID]
	if c != nil && !now.Before(c.forgotten()) {
		c = nil
	}
	switch {
	case x.Attempt == "":
		t.settled[x.ID] = keeps(c, x, now).UnixNano()
	case !t.undo(c, x, now):
		return nil
	}
	delete(t.calls, x.ID)
	for _, scope := range x.Scopes {
		switch {
		case c != nil:
			c.settle(nameOf(scope), x, t.account(scope, parts, now))
		case x.Paid() > 0:
			a := t.account(scope, parts, now)
			a.purses.payUnknown(x.Paid(), now)
			a.owe(x.Paid())
		}
	}
	return nil
}

// settle brings back what the call didn't use of one account, or takes what it used beyond.
func (c *call) settle(from name, x store.Settlement, a *account) {
	for _, took := range c.taken {
		if took.from != from {
			continue
		}
		over := !a.seen.Before(c.ends)
		if a.purses.pay(c, took.charged, x.Paid(), over); over {
			continue
		}
		a.owe(x.Paid())
		delete(a.calls, x.ID)
		a.hear(c.holder, a.seen)
		if x.Unused {
			a.requests.Return(took.requests, 1)
		} else {
			a.requests.Return(took.requests, 0)
		}
		if a.limits.Tokens > 0 {
			a.tokens.Return(took.tokens, c.tokens-x.Tokens)
			a.tokens.Spend(max(0, x.Tokens-c.tokens))
		}
	}
}

// Note charges what was admitted elsewhere to this store's part of the limits, as far as there is something left: where
// it has to decide alone all of a sudden, its part isn't whole any more.
func (s *Store) Note(tenant string, scopes []store.Scope, requests, tokens int64) {
	t, parts := s.lock(tenant)
	defer t.mu.Unlock()
	now := s.clock()
	for _, scope := range scopes {
		a := t.account(scope, parts, now)
		if a.limits.Requests > 0 {
			a.requests.Spend(min(max(0, requests), max(0, a.requests.Left())))
		}
		if a.limits.Tokens > 0 {
			a.tokens.Spend(min(max(0, tokens), max(0, a.tokens.Left())))
		}
	}
}
