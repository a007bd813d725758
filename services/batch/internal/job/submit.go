package job

import (
	"context"
	"errors"
	"time"

	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	// settleTime is how long an attempt that nobody heard the end of may still make a batch.
	settleTime = 10 * time.Second
	// maxVain attempts that broke off and made no batch are enough: something about the job itself breaks them.
	maxVain = 5
	// longestAfter bounds what others may ask for.
	longestAfter = time.Hour
	// bodiesAtOnce and bytesAtOnce are how much of a job travels in one message.
	bodiesAtOnce = 1000
	bytesAtOnce  = 1 << 20
	// droppedAtOnce is how many bodies are forgotten in a transaction, since others wait meanwhile.
	droppedAtOnce = 2000
)

// submit submits the job, which can't be at the provider.
func (k *carriage) submit(ctx context.Context) error {
	if stopped, err := k.notice(ctx); err != nil || stopped {
		if err == nil {
			err = k.abandon()
		}
		return err
	}
	if !take(ctx, k.submits) {
		return nil
	}
	r, err := k.attempt(ctx)
	<-k.submits
	var refusal *Refusal
	switch {
	case err == nil:
		return k.submitted(r)
	case errors.Is(err, errNotTried):
		return err
	case !errors.As(err, &refusal):
		k.log.Warn("nobody knows whether a job was submitted; looking for it", reason(err)...)
		k.settled = false
		return nil
	case refusal.Final:
		return k.refuse(reason(err)...)
	}
	k.log.Warn("a job can't be submitted now; trying again", reason(err)...)
	if err := k.nowhere(); err != nil {
		return err
	}
	k.wait(ctx, max(k.tries.step(), min(refusal.After, longestAfter)))
	return nil
}

// errNotTried is in errors of attempts that never were.
var errNotTried = errors.New("not tried")

// attempt calls the provider. That it is about to is durable before.
func (k *carriage) attempt(ctx context.Context) (store.Reference, error) {
	now := k.Clock()
	if err := k.Store.Try(ctx, k.job.Number, now); err != nil {
		return store.Reference{}, errors.Join(errNotTried, err)
	}
	k.job.Tried = now
	return k.Providers.Submit(k.calls, &k.batch, &k.job, func(after int64) ([]store.Parked, error) {
		return k.Store.Bodies(k.calls, k.job.Number, after, bodiesAtOnce, bytesAtOnce)
	})
}

// keep is the context in which it is kept what the provider said, even if the process is about to end.
func (k *carriage) keep() context.Context { return context.WithoutCancel(k.calls) }

func (k *carriage) submitted(r store.Reference) error {
	if err := k.Store.Submitted(k.keep(), k.job.Number, r); err != nil {
		return err
	}
	k.job.State, k.job.Reference = store.JobRunning, r
	k.log.Info("job submitted", "lines", k.job.Lines, "bytes", k.job.Bytes, "upstream", r.UpstreamID)
	return nil
}

// nowhere notes that nothing of the job is at the provider.
func (k *carriage) nowhere() error {
	if err := k.Store.Try(k.keep(), k.job.Number, time.Time{}); err != nil {
		return err
	}
	k.job.Tried = time.Time{}
	return nil
}

// abandon ends a job that isn't at the provider and shall not get there: its batch ends its lines.
func (k *carriage) abandon() error {
	if err := k.Store.Refuse(k.keep(), k.job.Number, k.Clock()); err != nil {
		return err
	}
	k.job.State = store.JobDone
	return nil
}

// refuse lets the lines be asked live.
func (k *carriage) refuse(why ...any) error {
	if err := k.abandon(); err != nil {
		return err
	}
	k.log.Warn("a provider didn't take a job; its lines are asked one by one", append(why, "lines", k.job.Lines)...)
	return nil
}

// find looks for the job after an attempt that nobody heard the end of.
func (k *carriage) find(ctx context.Context) error {
	if !k.settled && !rest(ctx, max(settleTime, k.tries.step())) {
		return nil
	}
	k.settled = true
	stopped, err := k.notice(ctx)
	if err != nil {
		return err
	}
	r, unclear, err := k.Providers.Find(ctx, &k.batch, &k.job)
	switch {
	case err == nil && r != (store.Reference{}):
		return k.submitted(r)
	case err == nil && !unclear && stopped:
		return k.abandon()
	case err == nil && !unclear:
		if k.vain++; k.vain >= maxVain {
			return k.refuse("reason", "VAIN")
		}
		return k.nowhere()
	case stopped && k.hopeless(err):
		return k.lose(ctx)
	case err != nil:
		k.log.Warn("a job can't be looked for now; trying again", reason(err)...)
	}
	k.wait(ctx, k.tries.step())
	return nil
}

// lighten forgets the bodies of a job that is submitted for sure.
func (k *carriage) lighten(ctx context.Context) error {
	for !k.light {
		more, err := k.Store.DropBodies(ctx, k.job.Number, droppedAtOnce)
		if err != nil {
			return err
		}
		k.light = !more
	}
	return nil
}

// reason is what a log says of an error. Its message may hold what a provider says of a prompt, and stays out.
func reason(err error) []any {
	f := fault.From(err)
	return []any{"reason", fault.Code(f.Reason), "status", f.HTTPStatus()}
}
