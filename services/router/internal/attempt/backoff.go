package attempt

import (
	"math/rand/v2"
	"time"
)

// The pause before a further round: exponential, with full jitter (AWS Architecture Blog, "Exponential Backoff And
// Jitter"): anything from nothing to 0.5 s, then 1 s, 2 s, at most 8 s.
const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 8 * time.Second
)

func backoff(round int) time.Duration {
	ceiling := backoffCap
	if round < 4 {
		ceiling = backoffBase << round
	}
	return rand.N(ceiling) //nolint:gosec // jitter needs no secrecy
}
