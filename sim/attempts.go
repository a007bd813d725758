package sim

import "sync"

// maxAttempts bounds the memory of attempts; past it all counts start again.
const maxAttempts = 1 << 14

// attempts counts requests alike, for the script word `times`. Safe for concurrent use; the zero value is ready.
type attempts struct {
	mu   sync.Mutex
	seen map[digest]int
}

// next is how many requests alike came before this one.
func (a *attempts) next(key digest) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil || len(a.seen) >= maxAttempts {
		a.seen = make(map[digest]int)
	}
	n := a.seen[key]
	a.seen[key] = n + 1
	return n
}

// spend drops the plan's faults once they have hit as many requests alike as the script says. Requests are alike when
// the kind and the body are.
func (a *attempts) spend(p *plan, kind string, body []byte) {
	if p.times > 0 && a.next(digestOf(kind, body)) >= p.times {
		p.faults = noFaults()
	}
}
