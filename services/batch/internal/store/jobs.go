package store

import (
	"context"
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Jobs keeps jobs: lines of a batch that go to a provider's batch API together. A job is forming while lines are parked in
// it, then it is submitting, running and done.
type Jobs interface {
	// CreateJob adds a forming job without lines to a batch in progress and returns it with its number; ErrState where the
	// batch isn't in progress.
	CreateJob(ctx context.Context, j Job) (Job, error)
	// Park puts begun lines into jobs of their batches and counts them there; other lines are left out. In a batch that is
	// cancelling they are cancelled instead. ErrState where a job of a batch in progress isn't forming.
	Park(ctx context.Context, lines []Parked) error
	// Jobs returns the jobs of a batch that aren't done, the oldest first.
	Jobs(ctx context.Context, batch int64) ([]Job, error)
	// Job returns a job, or ErrNotFound.
	Job(ctx context.Context, number int64) (Job, error)
	// Seal lets no more lines into a forming job, which is submitting then, or done where it has none, and returns it.
	// ErrState where it isn't forming any more.
	Seal(ctx context.Context, number int64) (Job, error)
	// Try notes when a job that is submitting is about to be submitted; the zero time, that nothing of it is at the provider.
	// ErrState where it isn't submitting any more.
	Try(ctx context.Context, number int64, at time.Time) error
	// Submitted notes where a job that is submitting is, which is running then. ErrState where it isn't submitting any more.
	Submitted(ctx context.Context, number int64, r Reference) error
	// Bodies returns the bodies of a job's lines behind a line, in order: at least one where there is one, else as many as
	// are within limit and maxBytes.
	Bodies(ctx context.Context, number, after int64, limit int, maxBytes int64) ([]Parked, error)
	// DropBodies forgets up to limit bodies of a job, and returns whether there are more.
	DropBodies(ctx context.Context, number int64, limit int) (more bool, err error)
	// Pending returns up to limit lines of a job behind a line that have no result, in order, without their bodies.
	Pending(ctx context.Context, number, after int64, limit int) ([]Parked, error)
	// PendingOf returns those of the given lines of a job that have no result, in order, without their bodies.
	PendingOf(ctx context.Context, number int64, lines []int64) ([]Parked, error)
	// Refuse ends a job that no provider has: its lines without results wait to be asked live, due now, or HoldFirst later where
	// money is reserved for them. In a batch that is cancelling they are cancelled. Refusing a job that is done does nothing.
	Refuse(ctx context.Context, number int64, now time.Time) error
	// EndJob ends a job all of whose lines have results, and forgets what was kept of them. ErrState where some have none.
	EndJob(ctx context.Context, number int64) error
}

// HoldFirst is how long lines that are asked another way wait for their money to be given back: they may need it.
const HoldFirst = 2 * time.Second

// JobState is how far a job is.
type JobState uint8

// The states of a job.
const (
	JobForming    JobState = 0
	JobSubmitting JobState = 1
	JobRunning    JobState = 2
	JobDone       JobState = 3
)

// Job is lines of a batch that go to a provider together.
type Job struct {
	// Number is the store's; it rises.
	Number int64
	// ID is what the provider is told: job_ and letters and digits.
	ID    string
	Batch int64
	State JobState
	Group Group
	// Model is the lines' own at the provider; empty where they differ.
	Model string
	// Sensitivity is the highest label of the lines.
	Sensitivity          llmv1.Sensitivity
	Lines, Bytes, Inputs int64
	// First is the first of the lines, in the order of the batch.
	First int64
	// Formed is when the job was made; Tried, when it was last about to be submitted, zero where it can't be at the provider.
	Formed, Tried time.Time
	// Reference is where it is, once it is running.
	Reference Reference
}

// Group is what lines must have in common to go together.
type Group struct {
	// Provider is the configured provider's name.
	Provider string `json:"provider"`
	// Model is set where a job may ask for one only.
	Model string `json:"model,omitempty"`
	// Headers go with the lines.
	Headers map[string]string `json:"headers,omitempty"`
}

// Reference is a batch at a provider, in the router's terms.
type Reference struct{ Provider, UpstreamID, Credential string }

// Parked is a line in a job.
type Parked struct {
	Job, Batch, Line int64
	// Model, Sensitivity, Bytes and Inputs are counted in the job; they are only written.
	Model         string
	Sensitivity   llmv1.Sensitivity
	Bytes, Inputs int64
	// Context is what the router has to be told when the line is finished.
	Context []byte
	// Reserved says that money is reserved for the line, as the context has it; it is only written.
	Reserved bool
	// Body is the request as the provider takes it.
	Body []byte
}
