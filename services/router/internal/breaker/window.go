package breaker

import "time"

// window counts the attempts and failures of the last ten seconds. Its zero value is empty.
type window struct {
	// start is the first time seen; steps count from it.
	start time.Time
	ring  [steps]tally
}

type tally struct {
	// at is the step that the numbers are of, counted from 1.
	at           int64
	sent, failed int32
}

// now returns the tally of this moment.
func (w *window) now(now time.Time) *tally {
	if w.start.IsZero() {
		w.start = now
	}
	at := int64(max(0, now.Sub(w.start))/step) + 1
	t := &w.ring[at%steps]
	if t.at != at {
		*t = tally{at: at}
	}
	return t
}

// send counts an attempt, and returns the step it is in.
func (w *window) send(now time.Time) int64 {
	t := w.now(now)
	t.sent++
	return t.at
}

// withdraw takes an attempt of a step back.
func (w *window) withdraw(at int64) {
	if t := &w.ring[at%steps]; t.at == at && t.sent > 0 {
		t.sent--
	}
}

// fail counts a failure, and reports whether that is too many. Those whose attempts were sent before the window count
// as attempts too: they are known now.
func (w *window) fail(now time.Time) (tooMany bool) {
	t := w.now(now)
	t.failed++
	var sent, failed int32
	for i := range w.ring {
		if old := &w.ring[i]; old.at > t.at-steps {
			sent += old.sent
			failed += old.failed
		}
	}
	sent = max(sent, failed)
	return sent >= Floor && failed*2 >= sent
}
