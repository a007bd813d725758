package quota

import (
	"sync/atomic"
	"time"

	"github.com/headgate-mesh/headgate/kit/pulse"
)

// silence is how many ticks of 5 ms without an answer to anybody make the service lost, longSilence the time at most: it
// gives up on its own store earlier.
const (
	silence     = 24
	longSilence = 350 * time.Millisecond
)

// health is whether the service answers.
type health struct {
	*pulse.Pulse
	// alone: the service answers, without the shared store.
	alone atomic.Bool
}

func (h *health) degraded() bool { return h.Gone() || h.alone.Load() }

// answered notes whether an answer was given without the shared store. It writes only what changes: calls share it.
func (h *health) answered(alone bool) {
	if h.alone.Load() != alone {
		h.alone.Store(alone)
	}
}

// defaultTimeout bounds a decision as long as the service answers others; it is longer than the service's own.
const defaultTimeout = 500 * time.Millisecond
