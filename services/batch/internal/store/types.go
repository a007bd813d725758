package store

import (
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// MaxLines is the most lines that a batch can have.
const MaxLines = 1<<20 - 1

// FormatInline is the format of a blob that holds the requests of a CreateBatch call; see package lines. It is no value
// of the contract: no client names it.
const FormatInline batchv1.FileFormat = 100

// File is what is known of a file.
type File struct {
	ID, Tenant, KeyID, Filename string
	Format                      batchv1.FileFormat
	Bytes                       int64
	SHA256                      string
	// Blob is where its bytes are.
	Blob             string
	Created, Expires time.Time
}

// FileQuery asks for a page of files.
type FileQuery struct {
	// Tenant is whose; empty for everyone's.
	Tenant string
	// After is the id of the file before the page.
	After string
	// Ascending lists the oldest first.
	Ascending bool
	Limit     int
	// Now is when files that have expired aren't listed.
	Now time.Time
}

// Batch is a batch.
type Batch struct {
	// Number is the store's; it rises.
	Number      int64
	ID, Tenant  string
	Dialect     llmv1.Dialect
	State       batchv1.BatchState
	Source      string // the blob that the lines are read from
	Model       string
	OutputFile  string
	ErrorFile   string
	Counts      Counts
	Usage       Usage
	InProgress  time.Time
	Finalizing  time.Time
	Ended       time.Time
	Cancelling  time.Time
	Problems    []Problem
	Particulars // what never changes
}

// Particulars are what a batch was made with.
type Particulars struct {
	KeyID       string
	Operation   batchv1.BatchOperation
	InputFile   string
	Format      batchv1.FileFormat
	Created     time.Time
	Expires     time.Time
	Concurrency int
	Sensitivity llmv1.Sensitivity
	Metadata    map[string]string
	Tags        map[string]string
	Headers     map[string]string
	// Models are the names that the key might ask for when the batch was made.
	Models []string
}

// HasEnded reports whether nothing of the batch will change any more.
func (b *Batch) HasEnded() bool {
	switch b.State {
	case batchv1.BatchState_BATCH_STATE_COMPLETED, batchv1.BatchState_BATCH_STATE_EXPIRED,
		batchv1.BatchState_BATCH_STATE_CANCELLED, batchv1.BatchState_BATCH_STATE_FAILED:
		return true
	}
	return false
}

// Counts counts lines.
type Counts struct{ Total, Completed, Failed, Cancelled, Expired int64 }

// Usage is what lines consumed, in tokens, as llm.v1.TokenUsage.
type Usage struct{ Input, Cached, Written, Output, Reasoning int64 }

// Problem is what is wrong with a line; 0 is the file as a whole.
type Problem struct {
	Line                 int64
	Code, Message, Field string
}

// BatchQuery asks for a page of batches.
type BatchQuery struct {
	// Tenant is whose; empty for everyone's.
	Tenant  string
	Dialect llmv1.Dialect
	// After and Before are ids of the batches that the page lies between.
	After, Before string
	Limit         int
}

// Line is a line and where its body is in the batch's source.
type Line struct {
	// Number counts from 1.
	Number   int64
	CustomID string
	At, Size int64
	// Tries counts failures that were the line's own.
	Tries int
	// Begun is when it was claimed.
	Begun time.Time
	// Live says that no provider's batch API takes it, whatever it looks like.
	Live bool
}

// Result is how a line ended.
type Result struct {
	Batch, Line int64
	// CustomID is only read.
	CustomID   string
	Outcome    batchv1.LineOutcome
	HTTPStatus int
	// Body is JSON text; empty where the line wasn't asked.
	Body  []byte
	Usage Usage
}

// Wait lets a line wait again.
type Wait struct {
	Batch, Line int64
	Due         time.Time
	Tries       int
}
