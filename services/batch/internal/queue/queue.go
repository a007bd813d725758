// Package queue carries batches out: it checks their lines, asks them one by one, behind everyone who waits and no more
// at once than it may, and writes the results. What it has to know after a crash is in the store; what it keeps in memory
// is only who comes next.
package queue

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/files"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Asker asks one line. It says in its answer what becomes of the line, and never fails otherwise.
type Asker interface {
	Ask(ctx context.Context, b *store.Batch, line int64, body []byte) Answer
}

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
	// Broken is a line that comes again later, but not for ever: the failure may be its own.
	Broken
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
}

// Options are what the queue works with. All are required but Ledger.
type Options struct {
	Store  store.Store
	Files  *files.Bucket
	Asker  Asker
	Ledger Ledger
	Clock  func() time.Time
	Logger *slog.Logger
	Meter  metric.Meter
	// Concurrency is how many lines may be under way at once.
	Concurrency int
	// MaxLines and MaxLine bound a batch.
	MaxLines, MaxLine int
	// Retention is how long batches are kept after they have ended, and the files with their results.
	Retention time.Duration
}

// Queue carries batches out. Safe for concurrent use.
type Queue struct {
	Options

	lines  metric.Int64Counter
	active atomic.Int64

	mu    sync.Mutex
	dirty map[int64]bool
	wake  chan struct{}
}

// New returns a queue, which works while Run runs.
func New(o Options) (*Queue, error) {
	q := &Queue{Options: o, dirty: make(map[int64]bool), wake: make(chan struct{}, 1)}
	return q, q.measure()
}

// Notify tells that something was done to a batch in the store: it was created, or cancelled. It never waits.
func (q *Queue) Notify(number int64) {
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
	var sweeping sync.WaitGroup
	sweeping.Go(func() { q.keepSweeping(ctx) })
	l.work(ctx)
	sweeping.Wait()
	return nil
}
