package answers

import (
	"context"
	"time"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
)

// Follower is a call that waits for another one's answer. It belongs to one goroutine.
type Follower struct {
	answers *Answers
	ask     Ask
	digest  Digest
	flight  *flight
}

// Wait returns the answer once it is kept, or a fill for a call that has to ask by itself: because it is its turn, after
// the leader left or failed; because the answer can't be kept or the service doesn't answer; or because it has waited for
// most, or until ctx ended. The fill is never nil where there is no hit. It is called once.
func (w *Follower) Wait(ctx context.Context, most time.Duration) (*Hit, *Fill) {
	limit := time.NewTimer(most)
	defer limit.Stop()
	for {
		hit, fill, next := w.once(ctx, limit.C)
		switch {
		case next != nil:
			w.flight = next.flight
		case hit != nil || fill != nil:
			return hit, fill
		default:
			return nil, alone()
		}
	}
}

// once waits for one flight.
func (w *Follower) once(ctx context.Context, limit <-chan time.Time) (*Hit, *Fill, *Follower) {
	turn, end, waits := w.flight.await(ctx, limit)
	switch {
	case turn:
		return w.lead(ctx)
	case !waits, end == unkept, end == lost:
		return nil, nil, nil
	}
	return w.look(ctx)
}

// look looks up what is there now, once there is room. A service that doesn't answer is asked for a while, by those who
// look then, for all that follow.
func (w *Follower) look(ctx context.Context) (*Hit, *Fill, *Follower) {
	f := w.flight
	select {
	case f.looks <- struct{}{}:
		defer func() { <-f.looks }()
	case <-f.dark:
		return nil, nil, nil
	case <-ctx.Done():
		return nil, nil, nil
	}
	late := time.NewTimer(holdPatience)
	defer late.Stop()
	for {
		hit, fill, next, ok := w.answers.look(ctx, w.ask, w.digest, true)
		switch {
		case ok:
			return hit, fill, next
		case !rest(ctx, late.C):
			if ctx.Err() == nil {
				f.darken()
			}
			return nil, nil, nil
		}
	}
}

// rest pauses before something is tried again; false where it is too late for that.
func rest(ctx context.Context, late <-chan time.Time) bool {
	select {
	case <-time.After(holdAgain):
		return true
	case <-late:
	case <-ctx.Done():
	}
	return false
}

// lead looks once more, since something may have been kept or withdrawn meanwhile, and leads the flight where there is
// still no answer.
func (w *Follower) lead(ctx context.Context) (*Hit, *Fill, *Follower) {
	f := w.flight
	found := w.lookLeading(ctx)
	switch {
	case found == nil && ctx.Err() != nil:
		f.pass(left)
		return nil, nil, nil
	case found == nil:
		f.pass(lost)
		return nil, nil, nil
	}
	if hit := w.answers.hit(found, w.ask, w.digest, true); hit != nil {
		f.pass(kept)
		f.release(f.heldBy(), false)
		return hit, nil, nil
	}
	switch found.GetLease() {
	case cachev1.Lease_LEASE_GRANTED:
		return nil, w.answers.fill(ctx, w.ask, w.digest, found.GetGeneration(), f), nil
	case cachev1.Lease_LEASE_FILLING:
		f.yield()
		return nil, nil, w
	case cachev1.Lease_LEASE_DECLINED:
		f.pass(unkept)
	default:
		f.pass(lost)
	}
	return nil, nil, nil
}

// lookLeading returns nil where the service or its backend doesn't answer for a while.
func (w *Follower) lookLeading(ctx context.Context) *cachev1.LookupResponse {
	late := time.NewTimer(holdPatience)
	defer late.Stop()
	for {
		found, ok := w.answers.lookup(ctx, w.ask, w.digest, w.flight.heldBy(), true)
		if ok && (found.GetFound() || found.GetLease() != cachev1.Lease_LEASE_UNSPECIFIED) {
			return found
		}
		if !rest(ctx, late.C) {
			return nil
		}
	}
}
