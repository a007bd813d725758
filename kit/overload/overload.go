// Package overload refuses early what a process can't carry. There is a fixed cap on the calls under way, and below it a
// limit that follows what the processors manage: where goroutines wait too long for one, fewer calls are let in until they
// don't. A call that waits for its provider costs nothing of that kind, so long answers aren't taken for load.
package overload

import (
	"context"
	"sync/atomic"
	"time"
)

// Priority says who is refused first.
type Priority uint8

const (
	// Interactive is for somebody who waits.
	Interactive Priority = iota
	// Batch is for work that can wait: it is let in only where there is room to spare.
	Batch
)

// Options configure a Limiter.
type Options struct {
	// Cap bounds the calls under way. Required.
	Cap int
	// Waits tells which part of the goroutines that became runnable since the last call of it waited longer than Tolerance
	// for a processor, 0 to 1. Default: the runtime's own figures.
	Waits func() float64
	// Changed is called when the limit begins to fall below the cap, and when it is back. Default: nobody is told.
	Changed func(crowded bool, limit int64)
}

const (
	// Tolerance is how long a goroutine may wait for a processor, unless more than crowded of them wait longer.
	Tolerance = 30 * time.Millisecond
	crowded   = 0.1
	// interval is how often the limit is adapted.
	interval = 100 * time.Millisecond
	// patience is how many intervals have to be crowded in a row before the limit falls.
	patience = 2
	// floor is what is always let in: so few calls crowd nobody for long.
	floor = 64
	// less and more are how the limit falls and rises in an interval; step is the least it rises.
	less, more = 0.85, 1.1
	step       = 8
	// spare is the part of the limit that is left to interactive calls, and calm how many intervals batch waits after the
	// last crowded one.
	spare = 0.2
	calm  = 10
)

// Limiter lets calls in. Safe for concurrent use.
type Limiter struct {
	o        Options
	inFlight atomic.Int64
	limit    atomic.Int64
	refused  atomic.Int64
	// wait is how many intervals batch still waits.
	wait atomic.Int64
	row  int // crowded intervals; only for Run
}

// New returns a Limiter that lets in as many calls as its cap; Run adapts it.
func New(o Options) *Limiter {
	if o.Waits == nil {
		o.Waits = schedulerWaits()
	}
	if o.Changed == nil {
		o.Changed = func(bool, int64) {}
	}
	l := &Limiter{o: o}
	l.limit.Store(int64(o.Cap))
	return l
}

// Enter lets a call in; false refuses it. Who was let in calls Leave.
func (l *Limiter) Enter(p Priority) bool {
	n, limit := l.inFlight.Add(1), l.limit.Load()
	if p == Batch {
		if l.wait.Load() > 0 {
			limit = 0
		}
		limit = int64(float64(limit) * (1 - spare))
	}
	if n <= limit {
		return true
	}
	l.inFlight.Add(-1)
	l.refused.Add(1)
	return false
}

// Leave ends a call that was let in.
func (l *Limiter) Leave() { l.inFlight.Add(-1) }

// Spare reports whether there is room for a call of Batch that is let in already.
func (l *Limiter) Spare() bool {
	return l.wait.Load() == 0 && float64(l.inFlight.Load()) <= float64(l.limit.Load())*(1-spare)
}

// Read returns the calls under way, the limit on them, and the calls refused so far.
func (l *Limiter) Read() (inFlight, limit, refused int64) {
	return l.inFlight.Load(), l.limit.Load(), l.refused.Load()
}

// Run adapts the limit until ctx ends.
func (l *Limiter) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.adapt(l.o.Waits() > crowded)
		}
	}
}

// adapt moves the limit by one interval.
func (l *Limiter) adapt(crowded bool) {
	before := l.limit.Load()
	after := l.next(crowded, before)
	if after == before {
		return
	}
	l.limit.Store(after)
	if most := int64(l.o.Cap); before == most || after == most {
		l.o.Changed(before == most, after)
	}
}

// next is the limit after an interval.
func (l *Limiter) next(crowded bool, limit int64) int64 {
	most := int64(l.o.Cap)
	if !crowded {
		l.row = 0
		l.wait.Store(max(0, l.wait.Load()-1))
		return min(most, max(limit+step, int64(float64(limit)*more)))
	}
	if l.row++; l.row < patience {
		return limit
	}
	l.wait.Store(calm)
	return max(min(floor, most), int64(float64(min(limit, l.inFlight.Load()))*less))
}
