// Package standing remembers how targets are doing: their breakers, their retry budgets, how fast they are and how much
// they have to do. It outlives a catalog: a new one takes over what is known of the targets that stay.
package standing

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
)

const (
	// weight is the newest measurement's part of an average.
	weight = 0.2
	// fresh is how long an average says something: a target that was slow once is to be looked at again.
	fresh = time.Minute
)

// Target is how one model at one provider is doing. Safe for concurrent use. Of a nil one nothing is known, and it allows
// no repeats.
type Target struct {
	breaker  breaker.Breaker
	repeats  *Budget
	inFlight atomic.Int64
	asked    atomic.Bool

	mu sync.Mutex
	// first is the time to the first content of streams, whole that of whole answers.
	first, whole average
}

type average struct {
	value time.Duration
	at    time.Time
}

func (a *average) add(d time.Duration, now time.Time) {
	if a.at.IsZero() || now.Sub(a.at) > fresh {
		a.value = d
	} else {
		a.value += time.Duration(weight * float64(d-a.value))
	}
	a.at = now
}

// NewTarget returns a target of which nothing is known yet; the budget bounds its repeats.
func NewTarget(repeats *Budget) *Target {
	return &Target{repeats: repeats, breaker: breaker.Breaker{Rand: rand.Float64}}
}

// Breaker is the target's.
func (t *Target) Breaker() *breaker.Breaker {
	if t == nil {
		return nil
	}
	return &t.breaker
}

// Repeats is the target's budget.
func (t *Target) Repeats() *Budget {
	if t == nil {
		return nil
	}
	return t.repeats
}

// Begin notes that an attempt is sent; the caller calls End when it is over.
func (t *Target) Begin() {
	if t == nil {
		return
	}
	t.inFlight.Add(1)
	if !t.asked.Load() {
		t.asked.Store(true)
	}
}

// End notes that an attempt is over.
func (t *Target) End() {
	if t != nil {
		t.inFlight.Add(-1)
	}
}

// FirstContent notes how long a stream took to show something.
func (t *Target) FirstContent(d time.Duration, now time.Time) { t.measure(d, now, true) }

// Whole notes how long an answer took that came at once.
func (t *Target) Whole(d time.Duration, now time.Time) { t.measure(d, now, false) }

func (t *Target) measure(d time.Duration, now time.Time, stream bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if stream {
		t.first.add(d, now)
	} else {
		t.whole.add(d, now)
	}
}

// InFlight is how many attempts are under way.
func (t *Target) InFlight() int64 {
	if t == nil {
		return 0
	}
	return t.inFlight.Load()
}

// Asked reports whether an attempt was ever sent.
func (t *Target) Asked() bool { return t != nil && t.asked.Load() }

// Average is the average time to the first content, the last ones counting most; 0 where there was none yet.
func (t *Target) Average() time.Duration {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.first.value
}

// Pace is what a comparison goes by: the average time to the first content, or of whole answers where there are no
// streams; 0 where the last minute tells nothing.
func (t *Target) Pace(now time.Time) time.Duration {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range [...]*average{&t.first, &t.whole} {
		if !a.at.IsZero() && now.Sub(a.at) <= fresh {
			return a.value
		}
	}
	return 0
}
