// Package attempt tries the targets of a call until one answers: in order, then, where the failure may pass by itself,
// once more after a pause (promise S2).
package attempt

import (
	"context"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// maxTries bounds the attempts of one call, unless it has more targets than that.
const maxTries = 3

// Number is where in a call an attempt stands.
type Number struct {
	// Attempts counts those that reach a provider, this one included.
	Attempts int
	// More says that another attempt may follow: what shows the client nothing is better held back.
	More bool
}

// Try makes one attempt at a target. It returns true when nothing may follow: something of the answer has reached the
// client, or the failure is the client's own.
type Try func(ctx context.Context, t catalog.Target, n Number) (settled bool, err error)

// Run tries the targets, at least one, and returns the error to show: the last one of a provider that was asked. The
// caller's leaving ends it.
func Run(ctx context.Context, targets []catalog.Target, try Try) error {
	r := &run{targets: targets, try: try, spent: make([]bool, len(targets))}
	for round := 0; ; round++ {
		if done := r.round(ctx, round); done || !r.pause(ctx, round) {
			return r.err
		}
	}
}

type run struct {
	targets []catalog.Target
	try     Try
	// spent marks the targets that aren't asked again in this call.
	spent []bool
	asked int
	err   error
	// wait is how long the providers of the last round want to be left alone.
	wait time.Duration
}

// round tries every target that is left once; true ends the call.
func (r *run) round(ctx context.Context, round int) (done bool) {
	r.wait = 0
	for i, t := range r.targets {
		if r.spent[i] || (round > 0 && (r.asked >= maxTries || !t.Repeats.Spend())) {
			r.spent[i] = true
			continue
		}
		if round == 0 {
			t.Repeats.Earn()
		}
		settled, err := r.once(ctx, t, Number{Attempts: r.asked + 1, More: r.moreAfter(i)})
		if settled || ctx.Err() != nil {
			r.err = err
			return true
		}
		r.note(i, err)
	}
	return false
}

// once counts an attempt at its provider.
func (r *run) once(ctx context.Context, t catalog.Target, n Number) (settled bool, err error) {
	end := t.Provider.Stats().Begin()
	defer func() { end(err) }()
	settled, err = r.try(ctx, t, n)
	return settled || !provider.Elsewhere(err), err
}

// note remembers a failure. One of a provider that was never asked hides no other.
func (r *run) note(i int, err error) {
	unasked := provider.Unasked(err)
	if r.err == nil || !unasked {
		r.err = err
	}
	if !unasked {
		r.asked++
	}
	r.spent[i] = !provider.Again(err)
	r.wait = max(r.wait, fault.From(err).RetryAfter)
}

// moreAfter reports whether another attempt may follow one at target i.
func (r *run) moreAfter(i int) bool {
	for j := i + 1; j < len(r.targets); j++ {
		if !r.spent[j] {
			return true
		}
	}
	return r.asked+1 < maxTries && r.targets[i].Repeats.Left()
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
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *run) anyLeft() bool {
	for i, t := range r.targets {
		if !r.spent[i] && t.Repeats.Left() {
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
