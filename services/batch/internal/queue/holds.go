package queue

import (
	"context"
	"sync"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/ids"
	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	// heldFor is how long a router reserves money for a line that is handed over, 30 hours, and the time that its job forms:
	// then there is nothing to give back any more.
	heldFor = 30*time.Hour + 2*formFor
	// holdsAtOnce are given back in holdsPause at most: a router tells the limits of them behind its answer, and has live calls
	// to tell of, too.
	holdsAtOnce, holdsPause = 256, time.Second
	// holdPlaces is how many are given back at the same time.
	holdPlaces = 4
	// firstRetry and longestRetry bound the pauses while the router can't take any.
	firstRetry, longestRetry = time.Second, time.Minute
	// lookEvery is how often holds are looked for without anyone having said that there are some.
	lookEvery = time.Minute
)

// hold keeps what is reserved for a line that was prepared and isn't parked.
func (l *loop) hold(r *run, line int64, p *Prepared) {
	if p == nil || !p.Reserved {
		return
	}
	l.holds = append(l.holds, store.Hold{
		Batch: r.batch.ID, Job: ids.Job(), KeyID: r.batch.KeyID, Tenant: r.batch.Tenant, Line: line, Context: p.Context, Since: l.Clock(),
	})
}

// keepHolds puts them into the store, from where they are given back.
func (l *loop) keepHolds(ctx context.Context) error {
	if len(l.holds) == 0 {
		return nil
	}
	if err := l.Store.AddHolds(ctx, l.holds); err != nil {
		return err
	}
	l.holds = nil
	l.held()
	return nil
}

// held tells that there may be holds in the store. It never waits.
func (q *Queue) held() {
	select {
	case q.holding <- struct{}{}:
	default:
	}
}

// keepGivingBack gives back what is reserved for lines that nobody will finish, until ctx ends. A hold is forgotten once the
// router has taken it, so that one may be given back twice, which changes nothing there.
func (q *Queue) keepGivingBack(ctx context.Context) {
	retry := firstRetry
	for ctx.Err() == nil {
		left, err := q.giveBack(ctx)
		if err != nil && ctx.Err() == nil {
			q.Logger.Error("what is reserved for lines that end unasked can't be given back now; trying again", "error", err)
		}
		if left || err != nil {
			rest(ctx, retry)
			retry = min(2*retry, longestRetry)
			continue
		}
		retry = firstRetry
		q.awaitHolds(ctx)
	}
}

func (q *Queue) awaitHolds(ctx context.Context) {
	t := time.NewTimer(lookEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-q.holding:
	case <-t.C:
	}
}

// giveBack goes through all holds once, and reports whether some are left. Where the router is away it doesn't ask on.
func (q *Queue) giveBack(ctx context.Context) (left bool, err error) {
	for after := int64(0); ; {
		page, err := q.Store.Holds(ctx, after, holdsAtOnce)
		if err != nil || len(page) == 0 {
			return left, err
		}
		if after == 0 {
			if err := q.expireHolds(ctx); err != nil {
				return left, err
			}
		}
		done, away := q.giveBackAll(ctx, page)
		if len(done) > 0 {
			if err := q.Store.DropHolds(context.WithoutCancel(ctx), done); err != nil {
				return left, err
			}
		}
		left = left || len(done) < len(page)
		after = page[len(page)-1].Number
		if away || (len(page) == holdsAtOnce && !rest(ctx, holdsPause)) {
			return true, nil
		}
	}
}

func (q *Queue) expireHolds(ctx context.Context) error {
	n, err := q.Store.ExpireHolds(ctx, q.Clock().Add(-heldFor))
	if n > 0 {
		q.Logger.Warn("what was reserved for lines that ended unasked was never given back, and has run out", "lines", n)
	}
	return err
}

// giveBackAll gives back several at once. It returns the numbers of those that the router has taken, and whether it is away.
func (q *Queue) giveBackAll(ctx context.Context, list []store.Hold) (done []int64, away bool) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	places := make(chan struct{}, holdPlaces)
	for _, h := range list {
		places <- struct{}{}
		mu.Lock()
		stop := away || ctx.Err() != nil
		mu.Unlock()
		if stop {
			break
		}
		wg.Go(func() {
			f := q.unasked(ctx, &h)
			mu.Lock()
			defer mu.Unlock()
			if away = away || f.Later; !f.Later && !f.Broken {
				done = append(done, h.Number)
			}
			<-places
		})
	}
	wg.Wait()
	return done, away
}

// unasked tells the router that nobody asked a line.
func (q *Queue) unasked(ctx context.Context, h *store.Hold) job.Finished {
	b := &store.Batch{ID: h.Batch, Tenant: h.Tenant, Particulars: store.Particulars{KeyID: h.KeyID}}
	return q.Providers.Finish(ctx, b, &store.Job{ID: h.Job}, store.Parked{Line: h.Line, Context: h.Context},
		job.Answer{Line: h.Line, Outcome: batchv1.LineOutcome_LINE_OUTCOME_CANCELLED})
}
