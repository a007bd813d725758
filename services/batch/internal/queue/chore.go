package queue

import (
	"context"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// maxChores is how many files are read or written at once: it is work for a processor, which others need more.
const maxChores = 2

// chore begins what a run needs done to go on: its file read, or its results written.
func (l *loop) chore(ctx context.Context, r *run) {
	if r.busy || l.Clock().Before(r.resume) || l.chores() >= maxChores {
		return
	}
	var work func(context.Context, store.Batch) error
	switch {
	case r.batch.State == batchv1.BatchState_BATCH_STATE_FINALIZING, r.settled():
		work = l.finalize
	case !r.started():
		work = l.validate
	default:
		return
	}
	r.busy = true
	l.live++
	b := r.batch
	go func() {
		err := work(ctx, b)
		if err != nil && ctx.Err() == nil {
			l.Logger.Error("a batch doesn't go on; trying again", "batch", b.ID, "error", err)
		}
		l.events <- event{run: r, chore: true, err: err}
	}()
}

func (l *loop) chores() (n int) {
	for _, r := range l.runs {
		if r.busy {
			n++
		}
	}
	return n
}
