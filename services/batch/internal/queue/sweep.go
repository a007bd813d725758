package queue

import (
	"context"
	"time"
)

const (
	sweepEvery = time.Minute
	// sweepAtOnce is small, since lines wait meanwhile.
	sweepAtOnce = 500
)

// keepSweeping forgets what is too old, and deletes what nobody needs.
func (q *Queue) keepSweeping(ctx context.Context) {
	for {
		if err := q.sweep(ctx); err != nil && ctx.Err() == nil {
			q.Logger.Error("old files and batches can't be deleted; trying again", "error", err)
		}
		if !rest(ctx, sweepEvery) {
			return
		}
	}
}

func (q *Queue) sweep(ctx context.Context) error {
	now := q.Clock()
	for n := sweepAtOnce; n == sweepAtOnce; {
		var err error
		if n, err = q.Store.ExpireFiles(ctx, now, sweepAtOnce); err != nil {
			return err
		}
	}
	for more := true; more; {
		var err error
		if more, err = q.Store.Purge(ctx, now.Add(-q.Retention), now, sweepAtOnce); err != nil {
			return err
		}
	}
	return q.collect(ctx, now)
}

// collect deletes blobs that nobody needs.
func (q *Queue) collect(ctx context.Context, now time.Time) error {
	for {
		blobs, err := q.Store.Garbage(ctx, now, sweepAtOnce)
		if err != nil || len(blobs) == 0 {
			return err
		}
		for _, blob := range blobs {
			if err := q.Files.Delete(ctx, blob); err != nil {
				return err
			}
		}
		if err := q.Store.Forget(ctx, blobs); err != nil {
			return err
		}
	}
}
