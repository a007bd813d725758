// Package queue carries batches out: it checks their lines, asks them one by one, behind everyone who waits and no more
// at once than it may, and writes the results. Lines whose provider has a batch API of its own are prepared instead, parked
// in jobs and handed over together; package job carries those. What the queue has to know after a crash is in the store;
// what it keeps in memory is only who comes next.
package queue

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/files"
	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/limits"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Asker asks one line. It says in its answer what becomes of the line, and never fails otherwise.
type Asker interface {
	Ask(ctx context.Context, b *store.Batch, line int64, body []byte) Answer
}

// Preparer writes lines as providers' batch APIs take them.
type Preparer interface {
	// Prepare prepares a line. Where it returns nil the answer says what becomes of the line, as Ask's does, or has the
	// verdict Live.
	Prepare(ctx context.Context, b *store.Batch, line int64, body []byte) (*Prepared, Answer)
}

// Prepared is a line as its provider takes it.
type Prepared struct {
	Group store.Group
	// Model is as sent to the provider.
	Model       string
	Sensitivity llmv1.Sensitivity
	Inputs      int64
	// Limits are what one job of the provider may hold.
	Limits        Limits
	Context, Body []byte
	// Reserved says that money is reserved for the line, which has to be given back where nobody asks it.
	Reserved bool
}

// Limits bound a job; 0 is none.
type Limits struct{ Lines, Bytes, Inputs int64 }

// Ledger knows what was answered, also by a process that is gone.
type Ledger interface {
	// Answered reports whether there is a complete answer to a line that was begun at a time.
	Answered(ctx context.Context, b *store.Batch, line int64, begun time.Time) (bool, error)
}

// Verdict is what becomes of a line.
type Verdict uint8

const (
	// Done is a line with a result.
	Done Verdict = iota
	// Busy is a line that comes again later, as all of its batch: somebody wants to be left alone.
	Busy
	// Full is a line that comes again soon: there is no room to spare for it.
	Full
	// Broken is a line that comes again later, but not for ever: the failure may be its own.
	Broken
	// Live is a line that no batch API takes; only Prepare says so.
	Live
)

// Answer is what came of asking a line. All but After is the line's result, now or where it isn't asked again.
type Answer struct {
	Verdict    Verdict
	Outcome    batchv1.LineOutcome
	HTTPStatus int
	Body       []byte
	Usage      store.Usage
	// After is how long to wait at least.
	After time.Duration
	// Poor says that money is missing: some may come back from lines that are at a provider.
	Poor bool
}

// Options are what the queue works with. All are required but Ledger and Preparer.
type Options struct {
	Store  store.Store
	Files  *files.Bucket
	Asker  Asker
	Ledger Ledger
	// Preparer prepares lines for jobs; without it all are asked live. Jobs that there are already are carried all the same.
	Preparer Preparer
	// Providers carry jobs out, which are asked about at intervals from PollLeast to PollMost.
	Providers           job.Providers
	PollLeast, PollMost time.Duration
	Clock               func() time.Time
	Logger              *slog.Logger
	Meter               metric.Meter
	// Concurrency is how many lines may be under way at once.
	Concurrency int
	// Limits are those of the keys; nil knows of none.
	Limits *limits.Limits
	// MaxLines and MaxLine bound a batch.
	MaxLines, MaxLine int
	// Retention is how long batches are kept after they have ended, and the files with their results.
	Retention time.Duration
}

// Queue carries batches out. Safe for concurrent use.
type Queue struct {
	Options

	lines, answers metric.Int64Counter
	active         atomic.Int64
	carrier        *job.Carrier

	mu    sync.Mutex
	dirty map[int64]bool
	wake  chan struct{}
	// holding says that there may be holds.
	holding chan struct{}
}

// New returns a queue, which works while Run runs.
func New(o Options) (*Queue, error) {
	q := &Queue{Options: o, dirty: make(map[int64]bool), wake: make(chan struct{}, 1), holding: make(chan struct{}, 1)}
	if err := q.measure(); err != nil {
		return nil, err
	}
	var err error
	q.carrier, err = job.New(job.Options{
		Store: o.Store, Providers: o.Providers, Clock: o.Clock, Logger: o.Logger, Meter: o.Meter, PollLeast: o.PollLeast, PollMost: o.PollMost,
		Counted: func(outcome batchv1.LineOutcome, n int64) { q.counted(outcome, n); q.answered("job", n) },
	})
	return q, err
}

// Notify tells that something was done to a batch in the store: it was created, or cancelled. It never waits.
func (q *Queue) Notify(number int64) {
	q.held()
	q.mu.Lock()
	q.dirty[number] = true
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// changed returns the number of a batch that Notify was called with; false where there is none. What isn't done about it
// comes back with again.
func (q *Queue) changed() (number int64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for number = range q.dirty {
		delete(q.dirty, number)
		return number, true
	}
	return 0, false
}

// again lets changed return a number again, without waking anyone.
func (q *Queue) again(number int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dirty[number] = true
}

// Run works until ctx ends. Lines that are under way then have a while to end; what hasn't ended by then counts as begun
// and is looked up after the next start.
func (q *Queue) Run(ctx context.Context) error {
	l, err := q.load(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	var beside sync.WaitGroup
	beside.Go(func() { q.keepSweeping(ctx) })
	beside.Go(func() { q.keepGivingBack(ctx) })
	l.work(ctx)
	beside.Wait()
	return nil
}
