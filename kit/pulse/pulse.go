// Package pulse tells a peer that is late from one that is gone. A single late answer says little, least of all on a busy
// machine; a while without any answer at all, several failures in a row, or nothing but late answers do say something.
//
// Silence is counted in ticks that came on time: where a timer of 4 ms takes 10, everybody on this machine waits for a
// processor, the peer perhaps too, and nothing is known. Only a long silence counts by the clock.
package pulse

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure a Pulse. Zero values have defaults.
type Options struct {
	// Tick is how often it is looked whether somebody waits in vain. Default 5 ms.
	Tick time.Duration
	// Silence is how many ticks without any answer, while somebody waits, make the peer lost. Default 10.
	Silence int
	// LongSilence does so too, however late the ticks are. Default 250 ms.
	LongSilence time.Duration
	// Late is how many ticks make an answer late; LateAnswers of them in a row, from the first one's question on for as long
	// as Silence, make the peer lost: the answers to one burst of questions may all be late for once. Default 16 answers; a
	// Late of 0 means that none is.
	Late, LateAnswers int
	// Failures in a row make the peer lost. Default 3.
	Failures int
	// Lost is called each time the peer is lost, with why.
	Lost func(cause string)
}

// Pulse is what is known of one peer. Safe for concurrent use.
type Pulse struct {
	Options
	lost atomic.Bool

	mu     sync.Mutex
	timer  *time.Timer
	armed  bool
	ticks  int
	heard  bool
	quiet  int
	ticked time.Time // last
	since  time.Time // nothing was heard
	late   int
	// lateSince is the tick at which the first of those was asked.
	lateSince int
	failures  int
	first     *Question // of those that wait
}

// New returns the Pulse of a peer that is there.
func New(o Options) *Pulse {
	o.Tick = cmp.Or(o.Tick, 5*time.Millisecond)
	o.Silence = cmp.Or(o.Silence, 10)
	o.LongSilence = cmp.Or(o.LongSilence, 250*time.Millisecond)
	o.LateAnswers = cmp.Or(o.LateAnswers, 16)
	o.Failures = cmp.Or(o.Failures, 3)
	return &Pulse{Options: o}
}

// Gone reports whether the peer is lost.
func (p *Pulse) Gone() bool { return p.lost.Load() }

// Back notes that a lost peer is there again, and reports whether it was lost.
func (p *Pulse) Back() bool {
	if !p.lost.Load() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quiet, p.late, p.failures = 0, 0, 0
	return p.lost.CompareAndSwap(true, false)
}

// Question is one that waits for its answer. End it once.
type Question struct {
	pulse          *Pulse
	cancel         context.CancelFunc
	asked          int
	previous, next *Question
}

// Ask begins a question. The context ends with ctx, after the time, and as soon as the peer is lost.
func (p *Pulse) Ask(ctx context.Context, timeout time.Duration) (context.Context, *Question) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	q := &Question{pulse: p, cancel: cancel}
	p.mu.Lock()
	defer p.mu.Unlock()
	q.asked = p.ticks
	if q.next = p.first; q.next != nil {
		q.next.previous = q
	}
	p.first = q
	p.arm()
	return ctx, q
}

// arm starts looking. Guarded by the lock.
func (p *Pulse) arm() {
	switch {
	case p.armed:
		return
	case p.timer == nil:
		p.timer = time.AfterFunc(p.Tick, p.tick)
	default:
		p.timer.Reset(p.Tick)
	}
	p.armed, p.heard, p.quiet, p.ticked = true, false, 0, time.Now()
	p.since = p.ticked
}

// tick looks whether somebody waits in vain, and stops looking where nobody waits.
func (p *Pulse) tick() {
	p.mu.Lock()
	p.ticks++
	if p.first == nil {
		p.armed = false
		p.mu.Unlock()
		return
	}
	now := time.Now()
	if now.Sub(p.ticked) < p.Tick*3/2 {
		p.quiet++
	}
	p.ticked = now
	if p.heard {
		p.heard, p.quiet, p.since = false, 0, now
	}
	tell := (p.quiet >= p.Silence || now.Sub(p.since) >= p.LongSilence) && p.lose()
	p.timer.Reset(p.Tick)
	p.mu.Unlock()
	p.tell(tell, "no answer for a while")
}

// Answered ends a question that was answered.
func (q *Question) Answered() {
	p := q.pulse
	p.mu.Lock()
	q.end()
	p.heard, p.failures = true, 0
	if p.late == 0 {
		p.lateSince = q.asked
	}
	p.late++
	if p.Late == 0 || p.ticks-q.asked < p.Late {
		p.late = 0
	}
	tell := p.late >= p.LateAnswers && p.ticks-p.lateSince >= p.Silence && p.lose()
	p.mu.Unlock()
	p.tell(tell, "every answer is late")
}

// Failed ends a question that failed at once: nobody is there to answer it, or something else is wrong with the peer.
func (q *Question) Failed(err error) {
	p := q.pulse
	p.mu.Lock()
	q.end()
	p.heard = true
	p.failures++
	tell := p.failures >= p.Failures && p.lose()
	p.mu.Unlock()
	p.tell(tell, err.Error())
}

// Left ends a question whose answer nobody waits for any more. It says nothing about the peer.
func (q *Question) Left() {
	q.pulse.mu.Lock()
	defer q.pulse.mu.Unlock()
	q.end()
}

// end takes the question out of those that wait. Guarded by the lock.
func (q *Question) end() {
	q.cancel()
	if q.previous != nil {
		q.previous.next = q.next
	} else if q.pulse.first == q {
		q.pulse.first = q.next
	}
	if q.next != nil {
		q.next.previous = q.previous
	}
	q.previous, q.next = nil, nil
}

// lose notes that the peer is lost, ends all waiting, and reports whether that is news. Guarded by the lock.
func (p *Pulse) lose() bool {
	news := p.lost.CompareAndSwap(false, true)
	for q := p.first; q != nil; q = q.next {
		q.cancel()
	}
	return news
}

func (p *Pulse) tell(news bool, cause string) {
	if news && p.Lost != nil {
		p.Lost(cause)
	}
}
