// Package breaker stops asking a backend that doesn't answer, so that not every call waits for it in vain.
package breaker

import (
	"sync"
	"time"
)

const (
	// after is how many failures in a row stop the asking.
	after = 5
	// first and longest bound the pause; it doubles while the backend stays away.
	first   = 250 * time.Millisecond
	longest = 8 * time.Second
)

// Breaker counts failures in a row. After a pause one call tries again. Safe for concurrent use.
type Breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int
	pause    time.Duration
	until    time.Time
	probing  bool
}

// New returns a breaker that lets calls pass.
func New(now func() time.Time) *Breaker { return &Breaker{now: now} }

// Allow reports whether to ask. Where it is true, Success, Failure or Forget has to follow.
func (b *Breaker) Allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failures < after:
		return true
	case b.probing || b.now().Before(b.until):
		return false
	}
	b.probing = true
	return true
}

// Success notes an answer, whatever it said.
func (b *Breaker) Success() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing, b.failures, b.pause = false, 0, 0
}

// Failure notes that there was none.
func (b *Breaker) Failure() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if b.failures++; b.failures >= after {
		b.pause = min(max(2*b.pause, first), longest)
		b.until = b.now().Add(b.pause)
	}
}

// Forget notes that the call told nothing: its caller left.
func (b *Breaker) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}
