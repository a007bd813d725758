package catalog

import (
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
)

// State is how a target is doing at one moment.
type State struct {
	// Breaker is what its breaker lets through, Until when an open one lets the next attempt through.
	Breaker breaker.State
	Until   time.Time
	// Asked says that an attempt was ever sent.
	Asked bool
	// Keys are the provider's, KeysCooling those of them that rest for this model; where all do, KeysUntil is when the
	// first one is back.
	Keys, KeysCooling int
	KeysUntil         time.Time
	// FirstContent is the average time to the first content, the last ones counting most; 0 where there was none yet.
	FirstContent time.Duration
	// Checked says that active health checks are made, Healthy what they said.
	Checked, Healthy bool
	// InFlight are the attempts under way at this target.
	InFlight int64
}

// State returns how the target is doing.
func (t *Target) State(now time.Time) State {
	s := State{Asked: t.Standing.Asked(), FirstContent: t.Standing.Average(), InFlight: t.Standing.InFlight()}
	s.Breaker, s.Until = t.Standing.Breaker().Read(now)
	s.KeysCooling, s.Keys = t.Provider.Keys().Count(t.Model, now)
	_, s.KeysUntil = t.Provider.Keys().Ready(t.Model, now)
	s.Healthy, s.Checked = t.Provider.Healthy()
	return s
}

// Ready reports whether the target would be asked now; else it is spared while another one is there.
func (t *Target) Ready(now time.Time) bool { return t.fit(now) && t.Standing.Breaker().Ready(now) }

// Spared returns until when the target is spared: its breaker, its keys, or its health. A time long after now stands for
// nobody knows.
func (t *Target) Spared(now time.Time) time.Time {
	var until time.Time
	if state, at := t.Standing.Breaker().Read(now); state != breaker.Closed {
		until = latest(now, at)
	}
	_, at := t.Provider.Keys().Ready(t.Model, now)
	until = latest(until, at)
	if healthy, known := t.Provider.Healthy(); known && !healthy {
		until = latest(until, now.Add(unknown))
	}
	return until
}

// unknown is longer than any breaker or key is spared.
const unknown = 24 * time.Hour

// fit is Ready but for the breaker.
func (t *Target) fit(now time.Time) bool {
	if healthy, known := t.Provider.Healthy(); known && !healthy {
		return false
	}
	ok, _ := t.Provider.Keys().Ready(t.Model, now)
	return ok
}

// Admit asks whether an attempt may be sent now, and counts it if so. The attempt is over when the ticket is told how it
// ended.
func (t *Target) Admit(now time.Time) (breaker.Ticket, bool) {
	if !t.fit(now) {
		return breaker.Ticket{}, false
	}
	return t.Standing.Breaker().Admit(now)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
