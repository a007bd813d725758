package quota

import "sync/atomic"

// failuresInARow after which nobody is asked any more, until the renewal gets an answer.
const failuresInARow = 3

// health is whether the service answers.
type health struct {
	failures atomic.Int64
	down     atomic.Bool
	// alone: the service answers, without the shared store.
	alone atomic.Bool
}

func (h *health) degraded() bool { return h.down.Load() || h.alone.Load() }

// failed notes that it didn't answer, and reports whether it is down since now.
func (h *health) failed() bool {
	return h.failures.Add(1) >= failuresInARow && h.down.CompareAndSwap(false, true)
}

// answered notes an answer, and reports whether it was down until now. It writes only what changes: calls share it.
func (h *health) answered(alone bool) bool {
	if h.failures.Load() != 0 {
		h.failures.Store(0)
	}
	if h.alone.Load() != alone {
		h.alone.Store(alone)
	}
	return h.down.Load() && h.down.CompareAndSwap(true, false)
}
