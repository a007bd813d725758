// Package storetest is the one suite that every backend of package store passes.
package storetest

import (
	"math/rand/v2"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Clock is the time of a store under test. It stands still but for Advance.
type Clock interface {
	Now() time.Time
	Advance(d time.Duration)
}

// New returns an empty store and its clock.
type New func(t *testing.T) (store.Store, Clock)

// The kinds and the dimensions, for short.
const (
	key    = ratelimitv1.ScopeKind_SCOPE_KIND_KEY
	tenant = ratelimitv1.ScopeKind_SCOPE_KIND_TENANT

	requests    = ratelimitv1.Dimension_DIMENSION_REQUESTS
	tokens      = ratelimitv1.Dimension_DIMENSION_TOKENS
	concurrency = ratelimitv1.Dimension_DIMENSION_CONCURRENCY
)

// Run holds a backend to the contract.
func Run(t *testing.T, newStore New, steps int) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, clock := newStore(t)
			c.run(&bench{T: t, store: s, Clock: clock})
		})
	}
	for _, c := range moneyCases {
		t.Run(c.name, func(t *testing.T) {
			s, clock := newStore(t)
			settle(t, s, clock)
			c.run(&bench{T: t, store: s, Clock: clock})
		})
	}
	for _, c := range lossCases {
		t.Run(c.name, func(t *testing.T) {
			s, clock := newStore(t)
			c.run(&bench{T: t, store: s, Clock: clock})
		})
	}
	for _, c := range undoCases {
		t.Run(c.name, func(t *testing.T) {
			s, clock := newStore(t)
			settle(t, s, clock)
			c.run(&bench{T: t, store: s, Clock: clock})
		})
	}
	t.Run("random sequences of money keep the promises", func(t *testing.T) {
		const seeds = 10
		for range seeds {
			s, clock := newStore(t)
			MoneyModel(t, s, clock, steps/seeds, rand.Int64())
		}
	})
	t.Run("many at once on one budget", func(t *testing.T) {
		s, clock := newStore(t)
		settle(t, s, clock)
		Crowd(t, s)
	})
	t.Run("random sequences keep the promises", func(t *testing.T) {
		s, clock := newStore(t)
		Model(t, s, clock, steps, time.Now().UnixNano())
	})
}

// settle lets the time pass in which a store that is new, or has lost everything, opens no budget.
func settle(t *testing.T, s store.Store, clock Clock) {
	t.Helper()
	if _, err := s.Alive(t.Context(), "g", nil, time.Minute); err != nil {
		t.Fatal(err)
	}
	clock.Advance(store.Settling)
}

// bench is a store under test with short words for what is done to it.
type bench struct {
	*testing.T
	Clock

	store store.Store
}

func one(l store.Limits) []store.Scope { return []store.Scope{{Kind: key, ID: "k", Limits: l}} }

func (b *bench) reserve(id string, n int64, scopes ...store.Scope) store.Answer {
	b.Helper()
	return b.reserveAs("h", id, n, time.Hour, scopes...)
}

func (b *bench) reserveAs(holder, id string, n int64, hold time.Duration, scopes ...store.Scope) store.Answer {
	b.Helper()
	a, err := b.store.Reserve(b.Context(), store.Call{
		ID: id, Holder: holder, Tenant: "acme", Scopes: scopes, Tokens: n, Hold: hold,
	})
	if err != nil {
		b.Fatalf("Reserve: %v", err)
	}
	return a
}

func (b *bench) admitted(a store.Answer) {
	b.Helper()
	if a.Refusal != nil {
		b.Fatalf("refused: %+v", *a.Refusal)
	}
}

func (b *bench) refused(a store.Answer, scope ratelimitv1.ScopeKind, d ratelimitv1.Dimension, wait time.Duration) {
	b.Helper()
	if a.Refusal == nil {
		b.Fatal("admitted")
	}
	if r := a.Refusal; r.Balance.Scope != scope || r.Balance.Dimension != d || r.RetryAfter != wait {
		b.Fatalf("refused for %v %v, wait %v; want %v %v, wait %v", r.Balance.Scope, r.Balance.Dimension, r.RetryAfter, scope, d, wait)
	}
}

func (b *bench) settle(id string, n int64, unused bool, scopes ...store.Scope) {
	b.Helper()
	err := b.store.Settle(b.Context(), store.Settlement{
		ID: id, Holder: "h", Tenant: "acme", Scopes: scopes, Tokens: n, Unused: unused,
	})
	if err != nil {
		b.Fatalf("Settle: %v", err)
	}
}

func (b *bench) lease(holder string, sequence int64, stocks ...store.Stock) []store.Grant {
	b.Helper()
	g, err := b.store.Lease(b.Context(), store.Renewal{
		Holder: holder, Tenant: "acme", Sequence: sequence, Valid: 2 * time.Second, Stocks: stocks,
	})
	if err != nil || len(g) != len(stocks) {
		b.Fatalf("Lease: %v %v", g, err)
	}
	return g
}

// Dollars, for short.
const dollar = 1_000_000_000_000

// budgeted is one account of a key with money alone.
func budgeted(dollars int64, period ratelimitv1.BudgetPeriod) []store.Scope {
	return one(store.Limits{Budget: dollars * dollar, Period: period})
}

// call is one of a cost in pico-dollars.
func (b *bench) call(id string, cost int64, scopes ...store.Scope) store.Call {
	return store.Call{ID: id, Holder: "h", Tenant: "acme", Scopes: scopes, Cost: cost, Hold: time.Hour}
}

func (b *bench) pay(id string, cost int64, scopes ...store.Scope) store.Answer {
	b.Helper()
	return b.made(b.call(id, cost, scopes...))
}

func (b *bench) made(c store.Call) store.Answer {
	b.Helper()
	a, err := b.store.Reserve(b.Context(), c)
	if err != nil {
		b.Fatalf("Reserve: %v", err)
	}
	return a
}

func (b *bench) paid(id string, cost int64, scopes ...store.Scope) {
	b.Helper()
	b.settled(store.Settlement{ID: id, Holder: "h", Tenant: "acme", Scopes: scopes, Cost: cost})
}

func (b *bench) settled(s store.Settlement) {
	b.Helper()
	if err := b.store.Settle(b.Context(), s); err != nil {
		b.Fatalf("Settle: %v", err)
	}
}

// seed opens the budget of a scope.
func (b *bench) seed(spent int64, scope store.Scope) {
	b.Helper()
	from := store.Began(scope.Limits.Period, b.Now())
	if err := b.store.Seed(b.Context(), store.Seed{Tenant: "acme", Scope: scope, From: from, Spent: spent}); err != nil {
		b.Fatalf("Seed: %v", err)
	}
}

// left is what remains of each limit of a scope, in the order requests, tokens, concurrency.
func (b *bench) left(scope store.Scope, want ...int64) {
	b.Helper()
	all, err := b.store.Balances(b.Context(), "acme", []store.Scope{scope})
	if err != nil || len(all) != len(want) {
		b.Fatalf("Balances: %v %v, want %d", all, err, len(want))
	}
	for i := range all {
		if all[i].Remaining != want[i] {
			b.Errorf("%v left: %d, want %d", all[i].Dimension, all[i].Remaining, want[i])
		}
	}
}
