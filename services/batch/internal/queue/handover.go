package queue

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/ids"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	// providersWindow is what providers promise to end a job within: a batch that has to be done sooner is asked live.
	providersWindow = 24 * time.Hour
	// formFor is how long a job waits for more lines.
	formFor = 5 * time.Minute
	// maxBody is what fits into a message to the router for sure.
	maxBody = 24 << 20
	// wrapping is more than what a provider wants around a body: the line's name, a method, a path.
	wrapping = 256
)

// prepares reports whether a line may go to a provider's batch API.
func (l *loop) prepares(b *store.Batch, line *store.Line) bool {
	return l.Preparer != nil && !line.Live && b.Expires.Sub(b.Created) >= providersWindow
}

// prepare prepares a line. One that no job has room for was prepared in vain, and is asked live.
func (l *loop) prepare(ctx context.Context, b *store.Batch, line int64, body []byte) (p, vain *Prepared, _ Answer) {
	p, answer := l.Preparer.Prepare(ctx, b, line, body)
	if p != nil && (len(p.Body) > maxBody || !p.fits(new(store.Job))) {
		return nil, p, Answer{Verdict: Live}
	}
	return p, nil, answer
}

// size is what the line takes of a job's bytes.
func (p *Prepared) size() int64 { return int64(len(p.Body)) + wrapping }

// fits reports whether a job has room for the line. Of the bytes a fiftieth stays free.
func (p *Prepared) fits(j *store.Job) bool {
	return within(j.Lines+1, p.Limits.Lines) && within(j.Bytes+p.size(), p.Limits.Bytes-p.Limits.Bytes/50) &&
		within(j.Inputs+p.Inputs, p.Limits.Inputs)
}

func within(n, limit int64) bool { return limit <= 0 || n <= limit }

// ready is a prepared line until it is parked.
type ready struct {
	run      *run
	line     store.Line
	prepared *Prepared
	// job is the number of its job; 0 where it has none.
	job int64
}

func readied(r *run, e *end) ready { return ready{run: r, line: e.line, prepared: e.prepared} }

// forms reports whether jobs may still be formed.
func (r *run) forms(now time.Time) bool {
	return r.batch.State == batchv1.BatchState_BATCH_STATE_IN_PROGRESS && !r.over(now)
}

// place gives each ready line a job.
func (l *loop) place(ctx context.Context) error {
	for ; l.placed < len(l.ready); l.placed++ {
		h := &l.ready[l.placed]
		j, err := l.jobFor(ctx, h.run, h.prepared)
		if errors.Is(err, store.ErrState) { // cancelled meanwhile: Release ends the line
			l.hold(h.run, h.line.Number, h.prepared)
			l.waits = append(l.waits, store.Wait{Batch: h.run.batch.Number, Line: h.line.Number, Due: l.Clock(), Tries: h.line.Tries})
			continue
		}
		if err != nil {
			return err
		}
		h.job = j.Number
		j.Lines++
		j.Bytes += h.prepared.size()
		j.Inputs += h.prepared.Inputs
	}
	return nil
}

// jobFor returns the job that a line is to be parked in: the one that is forming, or a new one.
func (l *loop) jobFor(ctx context.Context, r *run, p *Prepared) (*store.Job, error) {
	key, err := keyOf(p.Group)
	if err != nil {
		return nil, err
	}
	j := r.forming[key]
	if j != nil && p.fits(j) {
		return j, nil
	}
	made, err := l.Store.CreateJob(ctx, store.Job{ID: ids.Job(), Batch: r.batch.Number, Group: p.Group, Model: p.Model, Formed: l.Clock()})
	if err != nil {
		return nil, err
	}
	if j != nil {
		r.full = append(r.full, j)
	}
	r.forming[key] = &made
	return &made, nil
}

// keyOf tells groups apart.
func keyOf(g store.Group) (string, error) {
	text, err := json.Marshal(g)
	return string(text), err
}

// park keeps ready lines in their jobs.
func (l *loop) park(ctx context.Context) error {
	var list []store.Parked
	for _, h := range l.ready {
		if h.job == 0 {
			continue
		}
		list = append(list, store.Parked{
			Job: h.job, Batch: h.run.batch.Number, Line: h.line.Number, Model: h.prepared.Model, Sensitivity: h.prepared.Sensitivity,
			Bytes: h.prepared.size(), Inputs: h.prepared.Inputs, Context: h.prepared.Context, Body: h.prepared.Body, Reserved: h.prepared.Reserved,
		})
	}
	if len(list) > 0 {
		if err := l.Store.Park(ctx, list); err != nil {
			return err
		}
	}
	l.ready, l.placed = nil, 0
	return nil
}

// handOver seals jobs that have waited long enough, or that no more lines will come for, and lets them be carried. Those of
// a batch that is cancelled or over are told to end; the store ends what wasn't handed over.
func (l *loop) handOver(ctx context.Context, r *run) error {
	now := l.Clock()
	if r.started() && !r.forms(now) {
		clear(r.forming)
		r.full = nil
		r.halt()
		return nil
	}
	idle := (r.drained || r.poor) && r.flying+r.unclear == 0
	if idle {
		r.poor = false
	}
	for key, j := range r.forming {
		if idle || !now.Before(j.Formed.Add(formFor)) {
			r.full = append(r.full, j)
			delete(r.forming, key)
		}
	}
	for ; len(r.full) > 0; r.full = r.full[1:] {
		if err := l.seal(ctx, r, r.full[0]); err != nil {
			return err
		}
	}
	return nil
}

// seal lets a job be carried, or its lines be asked live where handing over was switched off meanwhile.
func (l *loop) seal(ctx context.Context, r *run, j *store.Job) error {
	if l.Preparer == nil {
		r.idle, r.drained = time.Time{}, false
		defer l.held()
		return l.Store.Refuse(ctx, j.Number, l.Clock())
	}
	sealed, err := l.Store.Seal(ctx, j.Number)
	switch {
	case errors.Is(err, store.ErrState): // the batch was cancelled, or its time ran out
		return nil
	case err == nil && sealed.State == store.JobSubmitting:
		l.carry(ctx, r, sealed)
	}
	return err
}

// halt tells all jobs to end, once.
func (r *run) halt() {
	if r.halted {
		return
	}
	r.halted = true
	for _, stop := range r.jobs {
		close(stop)
	}
}

// carryAll goes on with the jobs that the process before this one has left.
func (l *loop) carryAll(ctx context.Context) {
	for r, jobs := range l.left {
		for _, j := range jobs {
			if j.State == store.JobForming {
				r.full = append(r.full, &j)
				continue
			}
			l.carry(ctx, r, j)
		}
	}
	l.left = nil
}

// carry lets a job be carried.
func (l *loop) carry(ctx context.Context, r *run, j store.Job) {
	stop := make(chan struct{})
	r.jobs[j.Number] = stop
	l.live++
	b := r.batch
	go func() {
		l.carrier.Carry(ctx, l.asks, b, j, stop)
		l.events <- event{run: r, job: j.Number}
	}()
}
