package memory

import (
	"context"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Seed opens a budget with what was spent of it.
func (s *Store) Seed(_ context.Context, x store.Seed) error {
	t, parts := s.lock(x.Tenant)
	defer t.mu.Unlock()
	now := s.clock()
	a := t.account(x.Scope, parts, now)
	period := x.Scope.Limits.Period
	p := a.purse(period)
	switch {
	case !x.From.Equal(store.Began(period, now)):
	case p.known():
		p.used = max(p.used, min(x.Spent, store.MaxMoney))
	default:
		if err := x.Settle(now.Sub(*s.born.Load())); err != nil {
			return err
		}
		a.open(p, x, now)
	}
	return nil
}

// See notes how budgets stand in the shared store, by the balances of one of its answers: this store may spend its part of
// what is left there, where it has to decide alone.
func (s *Store) See(tenant string, scopes []store.Scope, balances []store.Balance) {
	t, parts := s.lock(tenant)
	defer t.mu.Unlock()
	now := s.clock()
	store.EachBudget(scopes, balances, func(scope store.Scope, b store.Balance) {
		if b.Unseeded {
			return
		}
		a := t.account(scope, parts, now)
		period := scope.Limits.Period
		*a.purse(period) = purse{
			began: store.Began(period, now), seeded: now, used: scope.Limits.Budget - max(0, b.Remaining)/parts,
		}
	})
}
