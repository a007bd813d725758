package queue

import (
	"context"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// dispatch asks as many lines as may be under way, each tenant in its turn, or prepares them for a provider's batch API.
func (l *loop) dispatch(ctx context.Context) error {
	for l.flying < l.Concurrency {
		granted, err := l.grant(), error(nil)
		for _, r := range granted {
			if err == nil {
				err = l.claim(ctx, r)
			}
			r.granted = 0
		}
		if err != nil || len(granted) == 0 {
			return err
		}
	}
	return nil
}

// grant shares out what may be asked, and returns who got some of it.
func (l *loop) grant() (list []*run) {
	now := l.Clock()
	for free := l.Concurrency - l.flying; free > 0; free-- {
		r := l.ring.pick(func(r *run) bool { return r.ready(now) })
		if r == nil {
			break
		}
		if r.granted++; r.granted == 1 {
			list = append(list, r)
		}
	}
	return list
}

// claim begins what was granted to a run, or finds out when there will be something to begin.
func (l *loop) claim(ctx context.Context, r *run) error {
	now := l.Clock()
	lines, err := l.Store.Claim(ctx, r.batch.Number, r.granted, now)
	if err != nil {
		return err
	}
	b := r.batch // the run's own may change while the line is asked
	for _, line := range lines {
		r.flying++
		l.flying++
		l.live++
		go func() { l.events <- event{run: r, ends: []end{l.ask(l.asks, &b, line)}} }()
	}
	if len(lines) == r.granted {
		return nil
	}
	n, due, err := l.Store.Waiting(ctx, r.batch.Number)
	r.drained, r.idle = n == 0, due
	if err == nil && n > 0 && !due.After(now) {
		// Cancelled meanwhile: the notice of it is on its way.
		r.idle = now.Add(time.Second)
	}
	return err
}

// ask asks one line, or prepares it.
func (l *loop) ask(ctx context.Context, b *store.Batch, line store.Line) end {
	e := end{line: line}
	body, err := l.Files.Part(ctx, b.Source, line.At, line.Size)
	if err != nil {
		l.Logger.ErrorContext(ctx, "a batch's file can't be read", "batch", b.ID, "line", line.Number, "error", err)
		f := fault.New(errorsv1.Reason_REASON_INTERNAL, "the batch's file can't be read")
		e.answer = Answer{
			Verdict: Broken, Outcome: batchv1.LineOutcome_LINE_OUTCOME_ERRORED, HTTPStatus: f.HTTPStatus(),
			Body: result.ErrorBody(b.Dialect, f, result.RequestID(b.ID, line.Number)),
		}
		return e
	}
	if l.prepares(b, &line) {
		e.prepared, e.vain, e.answer = l.prepare(ctx, b, line.Number, body)
		e.again = e.prepared == nil && ctx.Err() != nil // nobody was asked anything
		if e.prepared != nil || e.again || e.answer.Verdict != Live {
			return e
		}
	}
	e.answer = l.Asker.Ask(ctx, b, line.Number, body)
	// What was given up because the process stops may have been answered all the same.
	e.unknown = ctx.Err() != nil && e.answer.Outcome != batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED
	return e
}

// settle keeps what was heard. Until that is done, its lines count as under way: a full disk slows batches down.
func (l *loop) settle(ctx context.Context) error {
	for ; l.judged < len(l.told); l.judged++ {
		l.judge(&l.told[l.judged])
	}
	if err := l.place(ctx); err != nil {
		return err
	}
	if err := l.keepHolds(ctx); err != nil { // before their lines go on
		return err
	}
	if len(l.results) > 0 {
		if err := l.Store.Finish(ctx, l.results); err != nil {
			return err
		}
		for _, r := range l.results {
			l.counted(r.Outcome, 1)
		}
		l.answered("live", int64(len(l.results)))
		l.results = nil
	}
	if len(l.waits) > 0 {
		if err := l.Store.Release(ctx, l.waits); err != nil {
			return err
		}
		l.waits = nil
	}
	if err := l.park(ctx); err != nil {
		return err
	}
	for _, e := range l.told {
		l.free(e)
	}
	l.told, l.judged = nil, 0
	return nil
}

// judge says what becomes of the lines of an event.
func (l *loop) judge(e *event) {
	now := l.Clock()
	number := e.run.batch.Number
	for i := range e.ends {
		d := &e.ends[i]
		l.hold(e.run, d.line.Number, d.vain)
		if d.unknown {
			continue
		}
		if d.prepared != nil && e.run.forms(now) {
			e.run.succeed(&d.line, true)
			l.ready = append(l.ready, readied(e.run, d))
			continue
		}
		l.hold(e.run, d.line.Number, d.prepared)
		due, done := now, false
		if !d.again && d.prepared == nil {
			l.await(e.run, &d.answer)
			due, done = e.run.judge(now, &d.line, &d.answer)
		}
		if !done {
			l.waits = append(l.waits, store.Wait{Batch: number, Line: d.line.Number, Due: due, Tries: d.line.Tries})
			continue
		}
		l.results = append(l.results, store.Result{
			Batch: number, Line: d.line.Number, Outcome: d.answer.Outcome,
			HTTPStatus: d.answer.HTTPStatus, Body: d.answer.Body, Usage: d.answer.Usage,
		})
	}
}

// await lets a line wait that there is no money for while some is held by lines of the same tenant at providers: they
// mostly use less than that. Jobs that are forming go now, since more lines would only come with that money.
func (l *loop) await(r *run, a *Answer) {
	if !a.Poor {
		return
	}
	held := false
	for _, other := range l.runs {
		if other.batch.Tenant == r.batch.Tenant {
			held = held || len(other.forming)+len(other.full)+len(other.jobs) > 0
			other.poor = true
		}
	}
	if held {
		a.Verdict, a.After = Busy, 0
	}
}

// free lets the places of an event's lines be taken by others.
func (l *loop) free(e event) {
	r := e.run
	switch {
	case e.chore:
		r.busy = false
		if e.err != nil {
			r.resume = l.Clock().Add(choreRetry)
		}
		l.Notify(r.batch.Number)
		return
	case e.job != 0:
		delete(r.jobs, e.job)
		l.held()
	case e.unclear:
		r.unclear -= len(e.ends)
	default:
		r.flying -= len(e.ends)
		l.flying -= len(e.ends)
	}
	// Some may wait again.
	r.idle, r.drained = time.Time{}, false
}
