package answers

import (
	"sync"
	"time"
)

const (
	// breakAfter is how many failures in a row stop the asking.
	breakAfter = 5
	// firstPause and longestPause bound how long; it doubles while the service stays away.
	firstPause   = 500 * time.Millisecond
	longestPause = 15 * time.Second
)

// breaker stops asking a service that doesn't answer, so that not every call waits for it in vain. After a pause one
// call tries again. Safe for concurrent use.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int
	pause    time.Duration
	until    time.Time
	probing  bool
}

// allow reports whether to ask; then record or forget has to follow.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failures < breakAfter:
		return true
	case b.probing || b.now().Before(b.until):
		return false
	}
	b.probing = true
	return true
}

// record notes how it went.
func (b *breaker) record(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if err == nil {
		b.failures, b.pause = 0, 0
		return
	}
	if b.failures++; b.failures >= breakAfter {
		b.pause = min(max(2*b.pause, firstPause), longestPause)
		b.until = b.now().Add(b.pause)
	}
}

// forget notes that the call told nothing.
func (b *breaker) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}
