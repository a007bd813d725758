package quota

import (
	"hash/maphash"
	"sync"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

// name is an account.
type name struct {
	tenant, id string
	kind       ratelimitv1.ScopeKind
}

// shelves find the stock of an account, the same way for one account as for thousands.
type shelves struct {
	seed maphash.Seed
	all  [64]shelf
}

type shelf struct {
	mu     sync.RWMutex
	stocks map[name]*stock
}

func (s *shelves) init() {
	s.seed = maphash.MakeSeed()
	for i := range s.all {
		s.all[i].stocks = make(map[name]*stock)
	}
}

func (s *shelves) of(n name) *shelf { return &s.all[maphash.String(s.seed, n.id)%uint64(len(s.all))] }

// lock returns the stock of an account with its lock held.
func (s *shelves) lock(n name, l limits) *stock {
	st := s.hold(n)
	if st.limits != l {
		st.change(l)
	}
	return st
}

// hold is lock, whatever the limits.
func (s *shelves) hold(n name) *stock {
	for {
		st := s.find(n)
		st.mu.Lock()
		if !st.gone {
			return st
		}
		st.mu.Unlock()
	}
}

func (s *shelves) find(n name) *stock {
	sh := s.of(n)
	sh.mu.RLock()
	st := sh.stocks[n]
	sh.mu.RUnlock()
	if st != nil {
		return st
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if st = sh.stocks[n]; st == nil {
		st = &stock{name: n, batch: new(batch), late: late{factor: 1}}
		sh.stocks[n] = st
	}
	return st
}

// drop forgets a stock that is marked as gone.
func (s *shelves) drop(st *stock) {
	sh := s.of(st.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.stocks[st.name] == st {
		delete(sh.stocks, st.name)
	}
}

// pair is the stocks of a call, the key's and the tenant's; nil where there is no limit.
type pair [2]*stock

// lock locks them, the key's first.
func (s *shelves) lockBoth(c *claim) pair {
	var p pair
	for i := range p {
		if !c.none(i) {
			p[i] = s.lock(c.names[i], c.limits[i])
		}
	}
	return p
}

// holdBoth is lockBoth, whatever the limits.
func (s *shelves) holdBoth(c *claim) pair {
	var p pair
	for i := range p {
		if !c.none(i) {
			p[i] = s.hold(c.names[i])
		}
	}
	return p
}

func (p pair) unlock() {
	for _, s := range p {
		if s != nil {
			s.mu.Unlock()
		}
	}
}

// sweep forgets the stocks of accounts that nobody used for a while and that hold nothing.
func (s *shelves) sweep(now time.Time) {
	for i := range s.all {
		sh := &s.all[i]
		sh.mu.Lock()
		for n, st := range sh.stocks {
			if st.idle(now) {
				delete(sh.stocks, n)
			}
		}
		sh.mu.Unlock()
	}
}

// idle marks a stock as gone that holds nothing and wasn't used for long enough for its bucket to be full again. One
// that is in use this moment isn't idle: whoever has its lock may wait for the shelf.
func (s *stock) idle(now time.Time) bool {
	if !s.mu.TryLock() {
		return false
	}
	defer s.mu.Unlock()
	if s.listed || s.open > 0 || now.Sub(s.missed) < forgetAfter || now.Sub(s.purse.seen) < forgetAfter {
		return false
	}
	s.gone = true
	return true
}

// forgetAfter is longer than an empty bucket takes to fill.
const forgetAfter = 2 * time.Minute
