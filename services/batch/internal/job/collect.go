package job

import (
	"context"
	"sync"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	// answersAtOnce and answerBytes are how much of the results is in memory, and kept in one transaction.
	answersAtOnce = 256
	answerBytes   = 4 << 20
	// finishedAtOnce is how many lines are finished at once.
	finishedAtOnce = 16
	// maxBroken is how often a line fails to be finished.
	maxBroken = 10
)

// collect brings the results of an ended job home. What came already is left out, so that it can be done again.
func (k *carriage) collect(ctx context.Context) error {
	if !take(ctx, k.collects) {
		return nil
	}
	defer func() { <-k.collects }()
	var err error
	if k.batch, err = k.Store.ByNumber(ctx, k.batch.Number); err != nil {
		return err
	}
	complete, err := k.all(ctx)
	switch {
	case err != nil || ctx.Err() != nil:
		return err
	case complete:
		return k.giveUp(ctx, result.NoResult, "the provider's batch ended without a result for this line")
	case k.stuck.IsZero():
		k.stuck = k.Clock()
	case k.Clock().Sub(k.stuck) >= silentFor:
		return k.lose(ctx)
	}
	return nil
}

// all finishes the lines of all answers, and reports whether there were no more.
func (k *carriage) all(ctx context.Context) (complete bool, err error) {
	group, size, heard := make(map[int64]Answer), 0, 0
	for a, failure := range k.Providers.Results(ctx, &k.job) {
		if failure != nil {
			if ctx.Err() == nil {
				k.log.Warn("the results of a job broke off; trying again", reason(failure)...)
			}
			finished, err := k.finish(ctx, group)
			return finished && k.noMore(heard, failure), err
		}
		heard++
		a.Outcome = k.outcome(a.Outcome)
		group[a.Line] = a
		if size += len(a.Body); len(group) < answersAtOnce && size < answerBytes {
			continue
		}
		if finished, err := k.finish(ctx, group); err != nil || !finished {
			return false, err
		}
		clear(group)
		size = 0
	}
	return k.finish(ctx, group)
}

// noMore reports whether results that end short of what the provider counts are all there will ever be: the same number
// several times in a row, over a while.
func (k *carriage) noMore(heard int, failure error) bool {
	if fault.From(failure).Reason != errorsv1.Reason_REASON_STREAM_TRUNCATED || heard != k.heard || k.short == 0 {
		k.short, k.heard, k.shortSince = 0, heard, k.Clock()
	}
	k.short++
	return k.short >= unknownTimes && k.Clock().Sub(k.shortSince) >= unknownFor
}

// outcome is a line's. What the provider cancelled because the batch's time was over has expired.
func (k *carriage) outcome(o batchv1.LineOutcome) batchv1.LineOutcome {
	over := k.batch.Cancelling.IsZero() && !k.Clock().Before(k.batch.Expires)
	if over && o == batchv1.LineOutcome_LINE_OUTCOME_CANCELLED {
		return batchv1.LineOutcome_LINE_OUTCOME_EXPIRED
	}
	return o
}

// finish keeps the results of those lines that have none, and reports whether all of them have one now.
func (k *carriage) finish(ctx context.Context, group map[int64]Answer) (all bool, err error) {
	numbers := make([]int64, 0, len(group))
	for line := range group {
		numbers = append(numbers, line)
	}
	pending, err := k.Store.PendingOf(ctx, k.job.Number, numbers)
	if err != nil || len(pending) == 0 {
		return err == nil, err
	}
	finished := k.finishAll(ctx, pending, group)
	list := make([]store.Result, 0, len(finished))
	for _, f := range finished {
		if !k.again(f) {
			list = append(list, f.Result)
		}
	}
	return len(list) == len(pending), k.end(ctx, list)
}

// finishAll finishes lines, several at once.
func (k *carriage) finishAll(ctx context.Context, pending []store.Parked, group map[int64]Answer) []Finished {
	finished := make([]Finished, len(pending))
	places := make(chan struct{}, finishedAtOnce)
	var wg sync.WaitGroup
	for i, p := range pending {
		places <- struct{}{}
		wg.Go(func() {
			finished[i] = k.Providers.Finish(ctx, &k.batch, &k.job, p, group[p.Line])
			<-places
		})
	}
	wg.Wait()
	return finished
}

// again reports whether a line has to be finished another time.
func (k *carriage) again(f Finished) bool {
	if !f.Broken {
		return f.Later
	}
	if k.broken == nil {
		k.broken = make(map[int64]int)
	}
	k.broken[f.Result.Line]++
	return k.broken[f.Result.Line] < maxBroken
}

// end keeps results and counts them. Lines that weren't asked are counted when their batch has ended.
func (k *carriage) end(ctx context.Context, list []store.Result) error {
	if len(list) == 0 {
		return nil
	}
	if err := k.Store.Finish(ctx, list); err != nil {
		return err
	}
	for _, r := range list {
		if r.Outcome == batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED || r.Outcome == batchv1.LineOutcome_LINE_OUTCOME_ERRORED {
			k.Counted(r.Outcome, 1)
		}
	}
	return nil
}

// giveUp ends the lines without results with a code, and the job. Nobody knows that they weren't charged, so that what is
// reserved for them isn't given back.
func (k *carriage) giveUp(ctx context.Context, code, message string) error {
	for {
		pending, err := k.Store.Pending(ctx, k.job.Number, 0, answersAtOnce)
		if err != nil {
			return err
		}
		if len(pending) == 0 {
			break
		}
		list := make([]store.Result, len(pending))
		for i, p := range pending {
			list[i] = store.Result{
				Batch: p.Batch, Line: p.Line, Outcome: batchv1.LineOutcome_LINE_OUTCOME_ERRORED,
				Body: result.OwnError(k.batch.Dialect, code, message, result.RequestID(k.batch.ID, p.Line)),
			}
		}
		if err := k.end(ctx, list); err != nil {
			return err
		}
		k.log.Warn("lines of a job have no result", "lines", len(list), "code", code)
	}
	if err := k.Store.EndJob(ctx, k.job.Number); err != nil {
		return err
	}
	k.job.State = store.JobDone
	k.log.Info("job done", "lines", k.job.Lines)
	return nil
}
