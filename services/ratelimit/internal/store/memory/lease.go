package memory

import (
	"context"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Lease takes back a holder's stock and grants anew.
func (s *Store) Lease(_ context.Context, r store.Renewal) ([]store.Grant, error) {
	t, parts := s.lock(r.Tenant)
	defer t.mu.Unlock()
	now := s.clock()
	grants := make([]store.Grant, len(r.Stocks))
	for i, stock := range r.Stocks {
		a := t.account(stock.Scope, parts, now)
		h := a.holder(r.Holder, now)
		if r.Sequence > h.sequence {
			a.takeBack(h, stock)
			a.grant(h, stock)
			h.sequence, h.until = r.Sequence, now.Add(r.Valid+store.Margin)
			h.answer = a.told(h)
		}
		grants[i] = h.answer
	}
	return grants, nil
}

// takeBack ends the grant before: what comes back is there again, the rest was spent, and tokens of it may still come
// back when the calls that have them end.
func (a *account) takeBack(h *holder, stock store.Stock) {
	a.requests.Release(h.requests, max(0, stock.Requests))
	a.requests.Spend(max(0, -stock.Requests))
	back := min(stock.Tokens, h.tokens)
	a.tokens.Release(h.tokens, max(0, back))
	a.tokens.Spend(max(0, -back))
	h.late = a.tokens.Draw(h.late, stock.Tokens-back)
	h.late = a.tokens.Join(h.late, h.tokens-max(0, back))
	h.requests, h.tokens, h.leased = 0, 0, 0
}

// grant gives what is wanted, where plenty is left.
func (a *account) grant(h *holder, stock store.Stock) {
	if a.limits.Requests > 0 {
		h.requests = store.Allowance(stock.WantRequests, a.limits.Requests, a.requests.Left())
		a.requests.Hold(h.requests)
	}
	if a.limits.Tokens > 0 {
		h.tokens = store.Allowance(stock.WantTokens, a.limits.Tokens, a.tokens.Left())
		a.tokens.Hold(h.tokens)
	}
	if a.limits.Concurrency > 0 {
		left := a.limits.Concurrency - a.places() - stock.PlacesUsed
		h.leased = stock.PlacesUsed + store.Allowance(stock.Places-stock.PlacesUsed, a.limits.Concurrency, left)
	}
}

// told is the answer to a holder.
func (a *account) told(h *holder) store.Grant {
	g := store.Grant{Requests: h.requests, Tokens: h.tokens, Places: h.leased}
	if a.limits.Requests > 0 {
		g.RequestsLeft = a.requests.Left()
	}
	if a.limits.Tokens > 0 {
		g.TokensLeft, g.Returnable = a.tokens.Left(), a.tokens.Worth(h.late)
	}
	return g
}

var _ store.Store = (*Store)(nil)
