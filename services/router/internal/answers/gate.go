package answers

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// gate is a first lookup of a question, behind which others wait: where there is no answer yet, one lookup is enough for
// all that come at the same moment, however many there are.
type gate struct {
	// done is closed once the lookup is over; the rest is set before.
	done chan struct{}
	// failed says that the service didn't answer, left that its caller went away before it could.
	failed, left bool
}

// arrive returns whom to follow, or else the gate of a lookup under way; mine says that the gate is the caller's to open.
func (a *Answers) arrive(ask Ask, digest Digest) (w *Follower, g *gate, mine bool) {
	a.flights.mu.Lock()
	defer a.flights.mu.Unlock()
	if f := a.flights.all[digest]; f != nil {
		return &Follower{answers: a, ask: ask, digest: digest, flight: f}, nil, false
	}
	if a.flights.found.has(digest) { // there will be an answer: everyone looks it up at once
		return nil, nil, false
	}
	if g = a.flights.looking[digest]; g != nil {
		return nil, g, false
	}
	g = &gate{done: make(chan struct{})}
	a.flights.looking[digest] = g
	return nil, g, true
}

// letIn opens the gate for those that wait behind a gate.
func (a *Answers) letIn(digest Digest, g *gate) {
	a.flights.mu.Lock()
	defer a.flights.mu.Unlock()
	delete(a.flights.looking, digest)
	close(g.done)
}

// wait returns false where the gate doesn't open in time.
func (g *gate) wait(ctx context.Context, most time.Duration) bool {
	limit := time.NewTimer(most)
	defer limit.Stop()
	select {
	case <-g.done:
		return true
	case <-limit.C:
	case <-ctx.Done():
	}
	return false
}

// found remembers some of the questions that have an answer. Safe for concurrent use; the zero value is empty.
type found [1 << 10]atomic.Uint64

func (s *found) slot(d Digest) (slot *atomic.Uint64, print uint64) {
	return &s[binary.BigEndian.Uint16(d[:])%uint16(len(s))], binary.BigEndian.Uint64(d[8:])
}

func (s *found) has(d Digest) bool {
	slot, print := s.slot(d)
	return slot.Load() == print
}

// note remembers a question that was answered, and forgets one that wasn't.
func (s *found) note(d Digest, answered bool) {
	switch slot, print := s.slot(d); {
	case answered == (slot.Load() == print):
	case answered:
		slot.Store(print)
	default:
		slot.CompareAndSwap(print, 0)
	}
}
