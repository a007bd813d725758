// Package memory keeps accounts in this process.
package memory

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Store keeps accounts in memory. Make it with New; sweep it now and then. Safe for concurrent use.
type Store struct {
	clock func() time.Time
	born  atomic.Pointer[time.Time] // nothing is known from before
	// parts divides every limit: a store that decides alone for several. Changed by Divide.
	mu      sync.Mutex
	parts   int64
	divided bool
	tenants map[string]*tenant
	groups  map[string]map[string]time.Time
}

// tenant is everything of one tenant, under one lock: operations are atomic over several scopes.
type tenant struct {
	mu       sync.Mutex
	accounts map[name]*account
	calls    map[string]*call // under way
	settled  map[string]int64 // until when a settled one is remembered, in nanoseconds since 1970
	undone   map[undo]int64   // likewise an attempt that was undone
	divided  bool             // the store is
	swept    bool             // removed from the store; whoever waited for the lock looks again
}

// name is an account within a tenant.
type name struct {
	kind int32
	id   string
}

func nameOf(s store.Scope) name { return name{kind: int32(s.Kind), id: s.ID} }

// New returns an empty store that reads time from clock.
func New(clock func() time.Time) *Store {
	s := &Store{clock: clock, parts: 1, tenants: make(map[string]*tenant), groups: make(map[string]map[string]time.Time)}
	s.begin()
	return s
}

// begin notes that nothing is known.
func (s *Store) begin() {
	now := s.clock()
	s.born.Store(&now)
}

// Divide makes the store one of n that decide without each other, each with its part of every limit. A call that is
// larger than the part passes where the part is whole, and what follows waits for it. Of a budget it knows only the part
// that See told.
func (s *Store) Divide(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts, s.divided = max(n, 1), true
}

// lock returns a tenant with its lock held, and the divisor of limits.
func (s *Store) lock(id string) (*tenant, int64) {
	for {
		s.mu.Lock()
		t, ok := s.tenants[id]
		if !ok {
			t = &tenant{
				accounts: make(map[name]*account), calls: make(map[string]*call), settled: make(map[string]int64),
				undone: make(map[undo]int64),
			}
			s.tenants[id] = t
		}
		parts, divided := s.parts, s.divided
		s.mu.Unlock()
		t.mu.Lock()
		if t.divided = divided; !t.swept {
			return t, parts
		}
		t.mu.Unlock()
	}
}

// account returns an account, advanced to now under the limits given.
func (t *tenant) account(s store.Scope, parts int64, now time.Time) *account {
	a, ok := t.accounts[nameOf(s)]
	if !ok {
		a = &account{}
		t.accounts[nameOf(s)] = a
	}
	a.advance(s, parts, t.divided, now)
	return a
}

// Has reports whether a reservation was made, or settled, here.
func (s *Store) Has(tenant, id string) bool {
	t, _ := s.lock(tenant)
	defer t.mu.Unlock()
	_, open := t.calls[id]
	_, settled := t.settled[id]
	return open || settled
}

// Balances tells how limits stand.
func (s *Store) Balances(_ context.Context, tenant string, scopes []store.Scope) ([]store.Balance, error) {
	t, parts := s.lock(tenant)
	defer t.mu.Unlock()
	now := s.clock()
	var all []store.Balance
	for _, scope := range scopes {
		all = t.account(scope, parts, now).balances(all)
	}
	return all, nil
}

// Alive counts the members of a group.
func (s *Store) Alive(_ context.Context, group string, members []string, ttl time.Duration) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	g, ok := s.groups[group]
	if !ok {
		g = make(map[string]time.Time)
		s.groups[group] = g
	}
	for _, m := range members {
		g[m] = now
	}
	for m, seen := range g {
		if now.Sub(seen) > ttl {
			delete(g, m)
		}
	}
	return int64(max(1, len(g))), nil
}

// Forget empties the store.
func (s *Store) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	for id, t := range s.tenants {
		t.mu.Lock()
		t.swept = true
		t.mu.Unlock()
		delete(s.tenants, id)
	}
}

// Sweep forgets what has run out: settled and expired reservations, and accounts that are as good as new.
func (s *Store) Sweep() {
	now := s.clock()
	for _, id := range s.ids() {
		t, _ := s.lock(id)
		t.sweep(now)
		t.swept = len(t.accounts) == 0 && len(t.calls) == 0 && len(t.settled) == 0 && len(t.undone) == 0
		gone := t.swept
		t.mu.Unlock()
		if gone {
			s.drop(id, t)
		}
	}
}

func (s *Store) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.tenants))
	for id := range s.tenants {
		ids = append(ids, id)
	}
	return ids
}

func (s *Store) drop(id string, t *tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenants[id] == t {
		delete(s.tenants, id)
	}
}

func (t *tenant) sweep(now time.Time) {
	for id, c := range t.calls {
		if !now.Before(c.forgotten()) {
			delete(t.calls, id)
		}
	}
	over := func(until int64) bool { return now.UnixNano() >= until }
	maps.DeleteFunc(t.settled, func(_ string, until int64) bool { return over(until) })
	maps.DeleteFunc(t.undone, func(_ undo, until int64) bool { return over(until) })
	for id, a := range t.accounts {
		if a.idle(now) {
			delete(t.accounts, id)
		}
		if len(a.calls) == 0 {
			a.calls = nil // an empty map is as large as the rest of the account
		}
	}
}
