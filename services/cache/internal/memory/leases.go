package memory

import (
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// leases are the fill leases. Safe for concurrent use.
type leases struct {
	mu  sync.Mutex
	all map[store.Key]lease
}

// lease is held, or was declined, until it lapses.
type lease struct {
	holder   store.Holder
	declined bool
	lapses   time.Time
}

func newLeases() *leases { return &leases{all: make(map[store.Key]lease)} }

// state is Filling for a lease that somebody holds.
func (l lease) state(now time.Time) store.Lease {
	switch {
	case !now.Before(l.lapses):
		return store.Free
	case l.declined:
		return store.Declined
	}
	return store.Filling
}

func (s *leases) acquire(k store.Key, h store.Holder, now time.Time) store.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.all[k]
	if state := l.state(now); state == store.Declined || (state == store.Filling && l.holder != h) {
		return state
	}
	s.all[k] = lease{holder: h, lapses: now.Add(store.LeaseTTL)}
	return store.Granted
}

func (s *leases) read(k store.Key, now time.Time) store.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[k].state(now)
}

func (s *leases) release(k store.Key, h store.Holder, declined bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.all[k]; l.state(now) != store.Filling || l.holder != h {
		return
	}
	if declined {
		s.all[k] = lease{declined: true, lapses: now.Add(store.DeclinedTTL)}
		return
	}
	delete(s.all, k)
}

// sweep lets go of those that lapsed without an end.
func (s *leases) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, l := range s.all {
		if l.state(now) == store.Free {
			delete(s.all, k)
		}
	}
}
