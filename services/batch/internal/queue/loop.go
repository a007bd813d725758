package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// loop is the one goroutine that decides. Others read files, ask lines and write results, and tell it by events.
type loop struct {
	*Queue

	runs map[int64]*run
	ring ring
	// live goroutines owe an event each.
	live   int
	flying int
	events chan event
	// told are events whose lines aren't in the store yet. The judged ones among them are in results and waits.
	told    []event
	judged  int
	results []store.Result
	waits   []store.Wait
	// ready lines were prepared; the placed ones among them have jobs.
	ready  []ready
	placed int
	// holds are what is reserved for lines that were prepared and won't be parked.
	holds []store.Hold
	// begun are the lines that were under way when the process before this one died.
	begun map[*run][]store.Line
	// left are the jobs that weren't done then.
	left map[*run][]store.Job
	// asks is the context of what is asked; it outlives the loop's for a while.
	asks context.Context
}

// event is the end of a goroutine's work for a run.
type event struct {
	run *run
	// ends are lines that were asked, or looked up.
	ends    []end
	unclear bool
	// job is the number of one that is done.
	job int64
	// chore says that a file was read, or results were written, unless err says why not.
	chore bool
	err   error
}

// end is how it ended with a line.
type end struct {
	line   store.Line
	answer Answer
	// prepared is the line as its provider takes it, instead of an answer; vain is one that no job has room for.
	prepared, vain *Prepared
	// again says that the line is to be asked as if it had never been.
	again bool
	// unknown says that nobody can tell: the line stays begun.
	unknown bool
}

const (
	// grace is how long lines may go on when the process stops.
	grace = 10 * time.Second
	// storeRetry and choreRetry are for a disk that is full, or a bucket that is away.
	storeRetry = time.Second
	choreRetry = 10 * time.Second
	// longestWait is how long the loop waits without looking at all.
	longestWait = time.Hour
)

// work decides until ctx ends, and until all goroutines have ended.
func (l *loop) work(ctx context.Context) {
	asks, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	l.asks = asks
	l.clearAll(ctx)
	l.carryAll(ctx)
	for ctx.Err() == nil {
		timer := time.NewTimer(l.step(ctx))
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-timer.C:
		case e := <-l.events:
			l.hear(e)
		}
		timer.Stop()
	}
	l.stop(cancel)
}

// hear takes an event and all that are there already, so that they share one transaction.
func (l *loop) hear(e event) {
	for {
		l.live--
		l.told = append(l.told, e)
		select {
		case e = <-l.events:
		default:
			return
		}
	}
}

// stop waits for what is under way, but not for ever.
func (l *loop) stop(cancel context.CancelFunc) {
	timer := time.AfterFunc(grace, cancel)
	defer timer.Stop()
	for l.live > 0 {
		l.hear(<-l.events)
		if err := l.settle(context.WithoutCancel(l.asks)); err != nil {
			l.Logger.Error("results of a batch can't be kept; they are looked up after the next start", "error", err)
			l.told, l.judged, l.results, l.waits, l.ready, l.placed, l.holds = nil, 0, nil, nil, nil, 0, nil
		}
	}
}

// step does all there is to do now and returns how long there will be nothing, unless something happens.
func (l *loop) step(ctx context.Context) time.Duration {
	if err := l.advance(ctx); err != nil && ctx.Err() == nil {
		l.Logger.Error("batches don't go on", "error", err)
		return storeRetry
	}
	now := l.Clock()
	wait := longestWait
	for _, r := range l.runs {
		wait = min(wait, r.next(now).Sub(now))
	}
	return wait
}

func (l *loop) advance(ctx context.Context) error {
	if err := l.settle(ctx); err != nil {
		return err
	}
	for number, ok := l.changed(); ok; number, ok = l.changed() {
		if err := l.refresh(ctx, number); err != nil {
			l.again(number)
			return err
		}
	}
	for _, r := range l.runs {
		r.spare.grow(l.Clock(), r.batch.Concurrency)
		if err := l.expire(ctx, r); err != nil {
			return err
		}
	}
	if err := l.dispatch(ctx); err != nil {
		return err
	}
	for _, r := range l.runs {
		if err := l.handOver(ctx, r); err != nil {
			return err
		}
		l.chore(ctx, r)
	}
	return nil
}

// refresh looks at what has become of a batch.
func (l *loop) refresh(ctx context.Context, number int64) error {
	b, err := l.Store.ByNumber(ctx, number)
	r := l.runs[number]
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case err == nil && !b.HasEnded():
		l.adopt(b)
		return nil
	case r != nil:
		delete(l.runs, number)
		l.ring.remove(r)
		l.active.Store(int64(len(l.runs)))
		l.counted(batchv1.LineOutcome_LINE_OUTCOME_CANCELLED, b.Counts.Cancelled)
		l.counted(batchv1.LineOutcome_LINE_OUTCOME_EXPIRED, b.Counts.Expired)
	}
	return nil
}

// adopt begins to carry a batch out, or takes notice of its new state.
func (l *loop) adopt(b store.Batch) *run {
	r := l.runs[b.Number]
	if r == nil {
		r = &run{batch: b, forming: make(map[string]*store.Job), jobs: make(map[int64]chan struct{})}
		l.runs[b.Number] = r
		l.ring.add(r)
		l.active.Store(int64(len(l.runs)))
	}
	r.batch = b
	// The configuration may have changed since.
	r.batch.Concurrency = max(1, min(b.Concurrency, l.Concurrency))
	r.idle, r.drained = time.Time{}, false
	return r
}

// expire ends the lines that wait when their time is over, and those that were to be handed over.
func (l *loop) expire(ctx context.Context, r *run) error {
	if r.batch.State != batchv1.BatchState_BATCH_STATE_IN_PROGRESS || r.drained || !r.over(l.Clock()) {
		return nil
	}
	if _, err := l.Store.Expire(ctx, r.batch.Number); err != nil {
		return err
	}
	l.held()
	r.drained = true
	return nil
}

// load finds what there was to do when the process before this one ended.
func (q *Queue) load(ctx context.Context) (*loop, error) {
	l := &loop{Queue: q, runs: make(map[int64]*run), begun: make(map[*run][]store.Line), left: make(map[*run][]store.Job), events: make(chan event)}
	open, err := q.Store.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("find open batches: %w", err)
	}
	for _, b := range open {
		r := l.adopt(b)
		if l.begun[r], err = q.Store.Begun(ctx, b.Number); err != nil {
			return nil, fmt.Errorf("find lines that were under way: %w", err)
		}
		if l.left[r], err = q.Store.Jobs(ctx, b.Number); err != nil {
			return nil, fmt.Errorf("find jobs: %w", err)
		}
	}
	return l, nil
}
