package job

import (
	"context"
	"math/rand/v2"
	"time"
)

// pace is how long to wait before something is repeated: half as long again each time, from least to most.
type pace struct{ least, most, next time.Duration }

// step returns the pause, somewhat more or less than it should be, so that not all come at once.
func (p *pace) step() time.Duration {
	pause := min(max(p.next, p.least), p.most)
	p.next = pause + pause/2
	return pause - pause/10 + rand.N(pause/5+1) //nolint:gosec // a pause is no secret
}

func (p *pace) reset() { p.next = 0 }

// rest waits, and returns false where ctx ended meanwhile.
func rest(ctx context.Context, d time.Duration) bool {
	return pause(ctx, d, nil)
}

// pause waits, but not when early is closed; it returns false where ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-early:
	case <-t.C:
	}
	return true
}

// wait waits; the first time also until the job is to stop.
func (k *carriage) wait(ctx context.Context, d time.Duration) bool {
	early := k.stop
	if k.stopped {
		early = nil
	}
	return pause(ctx, d, early)
}

// notice reports whether the job is to end, and finds out since when.
func (k *carriage) notice(ctx context.Context) (bool, error) {
	if k.stopped {
		return true, nil
	}
	select {
	case <-k.stop:
	default:
		return false, nil
	}
	b, err := k.Store.ByNumber(ctx, k.batch.Number)
	if err != nil {
		return false, err
	}
	k.stopped, k.since = true, b.Expires
	if !b.Cancelling.IsZero() {
		k.since = b.Cancelling
	}
	k.polls.reset()
	return true, nil
}
