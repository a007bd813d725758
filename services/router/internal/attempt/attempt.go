// Package attempt tries the targets of a call until one answers: in the order of the model's strategy, then, where the
// failure may pass by itself, once more after a pause (promise S2). It is the only layer that repeats anything.
package attempt

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// maxTries bounds the attempts of one call, unless it has more targets than that.
const maxTries = 3

// Try makes one attempt at a target. It returns true when nothing may follow: something of the answer has reached the
// client, or the failure is the client's own.
type Try func(ctx context.Context, t catalog.Target, n Number) (settled bool, err error)

// Run tries the targets, at least one, and returns the error to show: the last one of a provider that was asked. The
// caller's leaving ends it. Targets that are spared (their breakers, their keys, their health) are tried only where no
// other one could be asked: then the one that is back the soonest is.
func Run(ctx context.Context, targets []catalog.Target, try Try) error {
	r := &run{try: try, now: time.Now()}
	r.targets = catalog.Order(targets, r.now, rand.Float64)
	r.seen = append(r.space[:0], make([]seen, len(targets))...)
	for round := 0; ; round++ {
		done := r.round(ctx, round)
		if !done && round == 0 && r.asked == 0 {
			done = r.lastResort(ctx)
		}
		if done || !r.pause(ctx, round) {
			return r.err
		}
	}
}

type run struct {
	targets []catalog.Target
	try     Try
	// seen is what this call knows of each target; space holds it where there are few.
	seen  []seen
	space [4]seen
	asked int
	err   error
	// now is when the last attempt ended, or the last pause: reading the clock costs more than the rest.
	now time.Time
	// wait is how long the providers of the last round want to be left alone.
	wait time.Duration
	pass pass
}

// seen is what one call knows of a target: that it was tried, and that it isn't asked again.
type seen struct{ tried, spent bool }

// round tries every target that is left once; true ends the call.
func (r *run) round(ctx context.Context, round int) (done bool) {
	r.wait = 0
	for i := range r.targets {
		if r.seen[i].spent || (round > 0 && !r.mayFollow(i)) {
			continue
		}
		if ticket, ok := r.admit(i); ok && r.visit(ctx, i, ticket) {
			return true
		}
	}
	return false
}

// admit asks whether a target may be tried now. One that this call has tried already is repeated while its breaker lets it
// and its budget lasts: how long its key rests is in the pause.
func (r *run) admit(i int) (breaker.Ticket, bool) {
	t := &r.targets[i]
	if !r.seen[i].tried {
		return t.Admit(r.now)
	}
	ticket, ok := t.Standing.Breaker().Admit(r.now)
	if ok && !t.Standing.Repeats().Spend() {
		ticket.Withdraw()
		return ticket, false
	}
	return ticket, ok
}

// mayFollow reports whether a further round has a try for a target.
func (r *run) mayFollow(i int) bool {
	return r.asked < maxTries && (!r.seen[i].tried || r.targets[i].Standing.Repeats().Left())
}

// lastResort tries the spared targets, those that are back the soonest first, until one could be asked.
func (r *run) lastResort(ctx context.Context) (done bool) {
	var left []int
	for i := range r.targets {
		if !r.seen[i].tried {
			left = append(left, i)
		}
	}
	slices.SortStableFunc(left, func(a, b int) int {
		return r.targets[a].Spared(r.now).Compare(r.targets[b].Spared(r.now))
	})
	for _, i := range left {
		ticket, _ := r.targets[i].Standing.Breaker().Admit(r.now)
		if r.visit(ctx, i, ticket) {
			return true
		}
		if r.asked > 0 {
			break
		}
	}
	return false
}

// visit tries one target, and again at once while another key may do better; true ends the call. Another key is another
// account: it is tried even where the budget of repeats is empty, which then owes it.
func (r *run) visit(ctx context.Context, i int, ticket breaker.Ticket) (done bool) {
	t := &r.targets[i]
	if !r.seen[i].tried {
		r.seen[i].tried = true
		t.Standing.Repeats().Earn()
	}
	for {
		resting := r.resting(i)
		settled, err := r.once(ctx, i, ticket)
		if settled || ctx.Err() != nil {
			r.err = err
			return true
		}
		r.note(i, err)
		if !provider.OfKey(err) || r.resting(i) <= resting || r.asked+r.untried(i) >= maxTries {
			return false
		}
		var ok bool
		if ticket, ok = t.Admit(r.now); !ok {
			return false
		}
		t.Standing.Repeats().Charge()
	}
}

// resting counts the keys of a target that can't be used now: one more after an attempt than before says that its key was
// the reason.
func (r *run) resting(i int) int {
	t := &r.targets[i]
	if t.Provider.Keys().Len() < 2 {
		return 0
	}
	n, _ := t.Provider.Keys().Count(t.Model, r.now)
	return n
}

// untried counts the targets that come after one and have their try yet.
func (r *run) untried(i int) int {
	n := 0
	for _, s := range r.seen[i+1:] {
		if !s.tried {
			n++
		}
	}
	return n
}

// once counts an attempt at its provider and its target.
func (r *run) once(ctx context.Context, i int, ticket breaker.Ticket) (settled bool, err error) {
	t := &r.targets[i]
	r.pass = pass{target: t, number: r.asked + 1, start: r.now, ticket: ticket}
	t.Provider.Stats().Begin()
	t.Standing.Begin()
	returned := false
	defer func() {
		t.Provider.Stats().End(err)
		t.Standing.End()
		r.pass.end(err, returned)
	}()
	settled, err = r.try(ctx, *t, Number{Attempts: r.asked + 1, More: r.moreAfter(i), pass: &r.pass})
	returned = true
	err = r.pass.describe(err)
	return settled || !provider.Elsewhere(err), err
}

// note remembers a failure. One of a provider that was never asked hides no other.
func (r *run) note(i int, err error) {
	r.now = time.Now()
	unasked := provider.Unasked(err)
	if r.err == nil || !unasked {
		r.err = err
	}
	if !unasked {
		r.asked++
	}
	r.seen[i].spent = !provider.Again(err)
	r.wait = max(r.wait, fault.From(err).RetryAfter)
}

// moreAfter reports whether another attempt may follow one at target i.
func (r *run) moreAfter(i int) bool {
	for j := i + 1; j < len(r.targets); j++ {
		if !r.seen[j].spent {
			return true
		}
	}
	t := &r.targets[i]
	return r.asked+1 < maxTries && (t.Standing.Repeats().Left() || t.Provider.Keys().Len() > 1)
}

// pause waits before another round; false means that there is none: nobody is left to ask, or no time.
func (r *run) pause(ctx context.Context, round int) bool {
	if r.asked >= maxTries || round+1 >= maxTries || !r.anyLeft() {
		return false
	}
	wait := backoff(round)
	if r.wait > 0 {
		wait = r.wait
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		r.now = time.Now()
		return true
	case <-ctx.Done():
		return false
	}
}

// anyLeft reports whether a target may be asked again.
func (r *run) anyLeft() bool {
	for i := range r.targets {
		t := r.targets[i].Standing
		if s := r.seen[i]; s.tried && !s.spent && t.Repeats().Left() && t.Breaker().Ready(r.now) {
			return true
		}
	}
	return false
}

// Deadline bounds a whole call: the caller's wish where it is shorter than the configuration's. The context ends with a
// TIMEOUT cause.
func Deadline(ctx context.Context, targets []catalog.Target, wish time.Duration) (context.Context, context.CancelFunc) {
	total := targets[0].Total
	if wish > 0 && wish < total {
		return context.WithTimeoutCause(ctx, wish, fault.New(errorsv1.Reason_REASON_TIMEOUT,
			"the call's own deadline of %s passed; try again with a larger x-headgate-timeout-ms", wish).
			With("timer", upstream.TimerTotal).With("limit", wish.String()))
	}
	return context.WithTimeoutCause(ctx, total, upstream.LateTimeout(upstream.TimerTotal, total))
}
