// Package job carries jobs: it submits lines that were parked together to a provider's batch API, asks how they stand, and
// brings their results home. What it has to know after a crash is in the store; a job that nobody is sure of is looked for
// before it is submitted again.
package job

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Providers are asked through the router. Safe for concurrent use.
type Providers interface {
	// Submit makes a batch of a job's lines at its provider. A *Refusal says that there is none; after any other error
	// nobody knows.
	Submit(ctx context.Context, b *store.Batch, j *store.Job, bodies Bodies) (store.Reference, error)
	// Find looks for the batch of a Submit whose answer nobody heard. The reference is zero where there is none, and unclear
	// where that can't be told yet.
	Find(ctx context.Context, b *store.Batch, j *store.Job) (r store.Reference, unclear bool, err error)
	// Get tells how a job stands.
	Get(ctx context.Context, r store.Reference) (Standing, error)
	// Cancel asks the provider to stop.
	Cancel(ctx context.Context, r store.Reference) error
	// Results returns the answers of a job that has ended, in any order. An error is the last.
	Results(ctx context.Context, j *store.Job) iter.Seq2[Answer, error]
	// Finish turns an answer into the line's result. Repeating it changes nothing.
	Finish(ctx context.Context, b *store.Batch, j *store.Job, p store.Parked, a Answer) Finished
}

// Bodies returns lines behind a line with their bodies, as many as travel together, or none where those were all.
type Bodies func(after int64) ([]store.Parked, error)

// Refusal is why a job isn't at its provider.
type Refusal struct {
	// Final says that another attempt would end the same.
	Final bool
	// After is how long to wait at least before another.
	After time.Duration
	Err   error
}

// Error gives the cause.
func (r *Refusal) Error() string { return "the job wasn't taken: " + r.Err.Error() }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Standing is how a job stands at its provider.
type Standing uint8

const (
	// Running is a job under way.
	Running Standing = iota
	// Ended is one whose results are there.
	Ended
	// Refused is one of which no line was asked.
	Refused
	// Unknown is one that the provider doesn't know, or not any more.
	Unknown
)

// Answer is a provider's to one line.
type Answer struct {
	Line int64
	// Outcome is SUCCEEDED for any answer, good or bad; CANCELLED or EXPIRED where the line wasn't asked.
	Outcome    batchv1.LineOutcome
	HTTPStatus int
	Body       []byte
	UpstreamID string
}

// Finished is a line's result, now or where it isn't finished again.
type Finished struct {
	Result store.Result
	// Later says that somebody is away: the line is finished when they are back.
	Later bool
	// Broken says that the line is to be finished again, but not for ever: the failure may be its own.
	Broken bool
}

// Options are what jobs are carried with. All are required.
type Options struct {
	Store     store.Store
	Providers Providers
	Clock     func() time.Time
	Logger    *slog.Logger
	Meter     metric.Meter
	// PollLeast and PollMost bound the pauses between questions.
	PollLeast, PollMost time.Duration
	// Counted is told of lines that have ended.
	Counted func(o batchv1.LineOutcome, n int64)
}

// Carrier carries jobs. Safe for concurrent use.
type Carrier struct {
	Options

	// submits and collects bound how many jobs are submitted and brought home at once: both take memory.
	submits, collects chan struct{}

	mu   sync.Mutex
	open map[string]int64 // by provider
}

const (
	jobsAtOnce = 4
	// storeRetry is for a disk that is full.
	storeRetry = time.Second
)

// New returns a Carrier.
func New(o Options) (*Carrier, error) {
	c := &Carrier{Options: o, submits: make(chan struct{}, jobsAtOnce), collects: make(chan struct{}, jobsAtOnce), open: make(map[string]int64)}
	return c, c.measure()
}

// Carry carries a job that isn't forming any more until it is done or ctx ends. What is being submitted then goes on until
// calls ends. Closing stop says that the batch is cancelled or its time is over.
func (c *Carrier) Carry(ctx, calls context.Context, b store.Batch, j store.Job, stop <-chan struct{}) {
	c.opened(j.Group.Provider, 1)
	defer c.opened(j.Group.Provider, -1)
	k := &carriage{
		Carrier: c, batch: b, job: j, stop: stop, calls: calls,
		tries: pace{least: c.PollLeast, most: c.PollMost}, polls: pace{least: c.PollLeast, most: c.PollMost},
		log: c.Logger.With("batch", b.ID, "job", j.ID, "provider", j.Group.Provider),
	}
	for ctx.Err() == nil && k.job.State != store.JobDone {
		err := k.step(ctx)
		if errors.Is(err, store.ErrState) { // the batch was cancelled, or its time ran out
			err = k.reload(ctx)
		}
		if err != nil && ctx.Err() == nil {
			k.log.Error("a job doesn't go on; trying again", "error", err)
			rest(ctx, storeRetry)
		}
	}
}

// carriage is one job on its way.
type carriage struct {
	*Carrier

	batch store.Batch
	job   store.Job
	calls context.Context
	log   *slog.Logger
	// stop is closed when the job is to end; stopped, once that was noticed, and since when it holds.
	stop    <-chan struct{}
	stopped bool
	since   time.Time
	// tries and polls pace what is repeated.
	tries, polls pace
	// settled says that an attempt that nobody heard the end of has had its time.
	settled bool
	// light says that the bodies are forgotten.
	light bool
	// vain counts attempts that nobody heard the end of, and that made no batch.
	vain int
	// unknown counts answers in a row that the provider doesn't know the job, since unknownSince.
	unknown      int
	unknownSince time.Time
	// stuck is since when the results can't be had.
	stuck time.Time
	// short counts in a row how often the results ended early behind the same number of them, heard, since shortSince.
	short, heard int
	shortSince   time.Time
	// broken counts failures to finish a line.
	broken map[int64]int
}

// step does what is next, and waits for its time.
func (k *carriage) step(ctx context.Context) error {
	switch {
	case k.job.State == store.JobRunning:
		return k.follow(ctx)
	case k.job.Tried.IsZero():
		return k.submit(ctx)
	}
	return k.find(ctx)
}

// reload finds out what others have made of the job.
func (k *carriage) reload(ctx context.Context) error {
	j, err := k.Store.Job(ctx, k.job.Number)
	if err == nil {
		k.job = j
	}
	return err
}

// take waits for a place; false where ctx ends before.
func take(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
