// Package store is the contract of what keeps batches: files, batches, their lines and results. Package storetest is the
// suite that every backend passes.
package store

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound is returned for what isn't there, or isn't any more.
var ErrNotFound = errors.New("not found")

// ErrState is returned where a batch isn't in a state in which it can be done.
var ErrState = errors.New("the batch isn't in that state")

// Store keeps everything. Safe for concurrent use. What a method has done when it returns without an error survives the
// death of the process and a power failure, and each method that changes something changes all of it or nothing.
type Store interface {
	Files
	Batches
	Lines
	Jobs
	Holds
	// Close ends the store's use of its resources, after the last call has returned.
	Close() error
}

// Files keeps what is known of files. Their bytes are blobs, which are kept elsewhere.
type Files interface {
	// Reserve notes a blob that is about to be written. Unless CreateFile or CreateBatch takes it over, it is garbage from
	// the given time on: no blob is left behind by a process that dies.
	Reserve(ctx context.Context, blob string, until time.Time) error
	// CreateFile adds a file, whose blob is written by now.
	CreateFile(ctx context.Context, f File) error
	// File returns a file, or ErrNotFound.
	File(ctx context.Context, id string) (File, error)
	// ListFiles returns a page, in the order in which files were made; ErrNotFound where the file After isn't there.
	ListFiles(ctx context.Context, q FileQuery) ([]File, error)
	// DeleteFile forgets a file, or returns ErrNotFound. Its blob becomes garbage.
	DeleteFile(ctx context.Context, id string, now time.Time) error
	// ExpireFiles forgets up to limit files whose time is over, and returns how many.
	ExpireFiles(ctx context.Context, now time.Time, limit int) (int, error)
	// Garbage returns up to limit blobs that nobody needs: no batch that hasn't ended is read from them.
	Garbage(ctx context.Context, now time.Time, limit int) ([]string, error)
	// Forget notes that blobs are deleted.
	Forget(ctx context.Context, blobs []string) error
}

// Batches keeps batches.
type Batches interface {
	// CreateBatch adds a batch in the state validating and returns it with its number.
	CreateBatch(ctx context.Context, b Batch) (Batch, error)
	// Batch returns a batch, or ErrNotFound.
	Batch(ctx context.Context, id string) (Batch, error)
	// ByNumber returns a batch, or ErrNotFound.
	ByNumber(ctx context.Context, number int64) (Batch, error)
	// ListBatches returns a page, the newest first; ErrNotFound where the batch After or Before isn't there.
	ListBatches(ctx context.Context, q BatchQuery) ([]Batch, error)
	// Open returns the batches that haven't ended, the oldest first.
	Open(ctx context.Context) ([]Batch, error)
	// Cancel puts a batch that is being validated or asked into the state cancelling: what waits is cancelled, and so are jobs
	// that can't be at a provider, as Expire says. A batch that is further, or cancelling already, stays as it is. It returns
	// ErrNotFound, or the batch.
	Cancel(ctx context.Context, id string, now time.Time) (Batch, error)
	// DeleteBatch forgets a batch that has ended, with its results and the files that they were written to. It returns
	// ErrNotFound, or ErrState where it hasn't ended.
	DeleteBatch(ctx context.Context, id string, now time.Time) error
	// Purge gives back the room of forgotten batches, and forgets those that ended before a time: up to limit lines at
	// once. It returns whether there is more to do.
	Purge(ctx context.Context, endedBefore, now time.Time, limit int) (more bool, err error)
}

// Lines keeps the lines of batches. A line waits, then it is begun, perhaps parked, then it is done and has a result; a line
// that is done stays as it is.
type Lines interface {
	// AddLines adds lines to a batch that is being validated, cancelling or not. ErrState where it isn't, any more.
	AddLines(ctx context.Context, batch int64, lines []Line) error
	// ClearLines takes all lines of a batch that is being validated out again; where it isn't being validated, none.
	ClearLines(ctx context.Context, batch int64) error
	// Start puts a validated batch in progress; one that is cancelling stays so, and its lines are cancelled.
	Start(ctx context.Context, batch int64, model string, now time.Time) error
	// Fail ends a batch whose lines aren't good, and takes its lines out. One that is cancelling ends as cancelled.
	Fail(ctx context.Context, batch int64, problems []Problem, now time.Time) error
	// Claim marks up to limit waiting lines that are due as begun and returns them: those that were released before those
	// that never were claimed, which come in the order of the file. No line is claimed twice unless Release gave it back. A batch that isn't in progress has none.
	Claim(ctx context.Context, batch int64, limit int, now time.Time) ([]Line, error)
	// Begun returns the lines that are begun and neither parked nor done, in order.
	Begun(ctx context.Context, batch int64) ([]Line, error)
	// Finish ends begun and parked lines with their results, and counts them and their usage in their batches. Results of
	// other lines are left out.
	Finish(ctx context.Context, results []Result) error
	// Release lets begun lines wait again, until they are due; lines that are to be asked live stay so. In a batch that is
	// cancelling they are cancelled.
	Release(ctx context.Context, waits []Wait) error
	// Expire ends all lines of a batch that wait as expired, and those that are parked in jobs that can't be at a provider:
	// in the state forming, or submitting and not tried. Such jobs are done. It returns how many lines they were.
	Expire(ctx context.Context, batch int64) (int64, error)
	// Waiting returns how many lines wait, none of the begun and parked ones, and when the first of them is due.
	Waiting(ctx context.Context, batch int64) (n int64, due time.Time, err error)
	// Finalize puts a batch none of whose lines wait, are begun or parked into the state finalizing, and notes the names that the
	// files with its results will have, unless it has some already. ErrState where lines are open.
	Finalize(ctx context.Context, batch int64, output, failed string, now time.Time) (Batch, error)
	// End ends a batch that is finalizing: completed, cancelled or expired, whatever its lines say. Files are those that were
	// written, of the names that Finalize noted.
	End(ctx context.Context, batch int64, files []File, now time.Time) error
	// Results returns results behind a line, in order: at least one where there is one, else as many as are within limit
	// and maxBytes.
	Results(ctx context.Context, batch, after int64, limit int, maxBytes int64) ([]Result, error)
}
