// Package breaker spares a target that mostly fails (promise S4). It is Headgate's own, since an answer of a model takes
// minutes: an attempt counts when it is sent and succeeds at its first content, and a failure counts when it is known.
// Two libraries were tried. sony/gobreaker v2.4.0 counts at the send, too, but drops a failure whose attempt has left the
// window (25 of a timer of two minutes left it closed), always opens for the same time, and lets nothing through for ever
// once its probes hang. failsafe-go v0.9.8 doesn't see what is under way: 20 failures beside 1000 calls in flight opened
// it.
package breaker

import (
	"sync"
	"sync/atomic"
	"time"
)

// The numbers of promise S4.
const (
	// Window is how far back attempts count, in steps of a tenth.
	Window = 10 * time.Second
	// Floor is how many attempts it takes to judge at all.
	Floor = 20
	// OpenFor is how long it stays open the first time, MaxOpen how long at most: the time doubles while probes fail.
	OpenFor = 5 * time.Second
	MaxOpen = 60 * time.Second
	// Probes are let through half-open.
	Probes = 3

	steps = 10
	step  = Window / steps
	// enough probes that agree decide: the half and more that would also open it.
	enough = 2
	// jitter spreads the open time by a tenth to both sides, so that not all routers come back at once.
	jitter = 0.1
)

// State is what a breaker lets through.
type State uint8

const (
	// Closed lets everything through.
	Closed State = iota
	// Open lets nothing through.
	Open
	// HalfOpen lets a few attempts through, to see.
	HalfOpen
)

// String is the word of metrics and explanations.
func (s State) String() string { return [...]string{"closed", "open", "half-open"}[s] }

// Breaker counts the attempts at one target. Safe for concurrent use. Its zero value is closed, and a nil one lets
// everything through.
type Breaker struct {
	// Rand is for the jitter: numbers from 0 to 1, 0.5 leaves the times as they are. Nil takes the middle. It is set
	// before use.
	Rand func() float64

	// tripped is set while the state isn't Closed, for those who only want to know that.
	tripped atomic.Bool

	mu    sync.Mutex
	state State
	// round changes with the state: what was sent before tells nothing about what is after.
	round  uint32
	window window
	// openings without a good minute between them double the time.
	openings int
	// until is when an open breaker lets probes through, or when those of a half-open one have had their time.
	until    time.Time
	closedAt time.Time
	probes   probes
}

type probes struct{ sent, good, bad int }

// Ticket is an attempt that counts. The first of its methods to be called decides; the zero Ticket does nothing. It
// belongs to one goroutine.
type Ticket struct {
	b     *Breaker
	sent  int64
	round uint32
	probe bool
}

// Admit asks whether an attempt may be sent now, and counts it if so.
func (b *Breaker) Admit(now time.Time) (Ticket, bool) {
	if b == nil {
		return Ticket{}, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.age(now)
	switch {
	case b.state == Closed:
		return Ticket{b: b, round: b.round, sent: b.window.send(now)}, true
	case b.state == HalfOpen && b.probes.sent < Probes:
		b.probes.sent++
		return Ticket{b: b, round: b.round, probe: true}, true
	}
	return Ticket{}, false
}

// Ready reports whether Admit would let an attempt through now.
func (b *Breaker) Ready(now time.Time) bool {
	if b == nil || !b.tripped.Load() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state == Closed || !now.Before(b.until) || (b.state == HalfOpen && b.probes.sent < Probes)
}

// Read returns the state, and when an open breaker lets the next attempt through.
func (b *Breaker) Read(now time.Time) (s State, until time.Time) {
	if b == nil {
		return Closed, time.Time{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.age(now)
	if b.state == Open {
		return Open, b.until
	}
	return b.state, time.Time{}
}

// age turns an open breaker half-open when its time has come, and gives a half-open one new probes where the old ones
// are still silent.
func (b *Breaker) age(now time.Time) {
	if b.state == Closed || now.Before(b.until) {
		return
	}
	b.turn(HalfOpen)
	b.until = now.Add(MaxOpen)
}

// turn changes the state; the caller sets the times.
func (b *Breaker) turn(s State) {
	b.state = s
	b.tripped.Store(s != Closed)
	b.round++
	b.probes = probes{}
}

// open spares the target for a while, twice as long as the last time unless it was well for a minute in between.
func (b *Breaker) open(now time.Time) {
	if b.state == Closed && now.Sub(b.closedAt) > MaxOpen {
		b.openings = 0
	}
	d := min(OpenFor<<min(b.openings, 8), MaxOpen)
	if b.Rand != nil {
		d += time.Duration(jitter * (2*b.Rand() - 1) * float64(d))
	}
	b.openings++
	b.turn(Open)
	b.until = now.Add(d)
}

// Succeed notes the first content, or the whole of an answer without a stream.
func (t *Ticket) Succeed(now time.Time) {
	if !t.probe {
		t.b = nil // it was counted when it was sent
		return
	}
	b := t.take()
	if b == nil {
		return
	}
	defer b.mu.Unlock()
	if b.round != t.round {
		return
	}
	if b.probes.good++; b.probes.good >= enough {
		b.turn(Closed)
		b.window, b.closedAt = window{}, now
	}
}

// Fail notes a failure that is the target's own.
func (t *Ticket) Fail(now time.Time) {
	b := t.take()
	if b == nil {
		return
	}
	defer b.mu.Unlock()
	switch {
	case b.round != t.round:
	case t.probe:
		if b.probes.bad++; b.probes.bad >= enough {
			b.open(now)
		}
	case b.window.fail(now):
		b.open(now)
	}
}

// Withdraw takes the attempt back: it told nothing about the target.
func (t *Ticket) Withdraw() {
	b := t.take()
	if b == nil {
		return
	}
	defer b.mu.Unlock()
	switch {
	case b.round != t.round:
	case t.probe:
		b.probes.sent--
	default:
		b.window.withdraw(t.sent)
	}
}

// take returns the breaker, locked, the first time.
func (t *Ticket) take() *Breaker {
	b := t.b
	t.b = nil
	if b != nil {
		b.mu.Lock()
	}
	return b
}
