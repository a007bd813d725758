package provider

import (
	"context"
	"maps"
	"net/http"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Batch is a provider's own batch API: work that can wait, at a lower price. Errors are *fault.Error. Implementations are
// safe for concurrent use.
type Batch interface {
	// Limits is what one job may hold.
	Limits(o routerv1.Operation) *routerv1.JobLimits
	// Submit makes a batch of the lines that next returns until its io.EOF, as they come: they are never all in memory.
	// Nothing is repeated. Where it fails, next may be under way still when it returns. The error's metadata say whether the provider has a batch all the same: [Submitted].
	Submit(ctx context.Context, d *routerv1.JobDescription, next func() (*routerv1.JobLine, error)) (*routerv1.JobReference, error)
	// Find looks for a batch whose Submit wasn't heard to its end.
	Find(ctx context.Context, r *routerv1.FindJobRequest) (*routerv1.FindJobResponse, error)
	// Get tells how a job stands.
	Get(ctx context.Context, j *routerv1.JobReference) (*routerv1.GetJobResponse, error)
	// Cancel asks to stop; a job that has ended or isn't known is none to stop.
	Cancel(ctx context.Context, j *routerv1.JobReference) error
	// Results emits the answers of a job that has ended, in any order, and nothing else once emit has failed. An end short
	// of the end is STREAM_TRUNCATED; UNSUPPORTED says that the job hasn't ended, NOT_FOUND that it isn't known.
	Results(ctx context.Context, j *routerv1.JobReference, emit func(*routerv1.JobResult) error) error
}

// Submitted is the metadata of a Submit's error that says whether the provider has a batch all the same: "no" where that is
// certain, whatever a repetition may do, "unknown" elsewhere.
const Submitted = "submitted"

// The values of Submitted.
const (
	SubmittedNo      = "no"
	SubmittedUnknown = "unknown"
)

// Batch is the provider's batch API; nil where it has none.
func (p *Provider) Batch() Batch { return p.options.Batch }

// TakesBatches reports whether lines may go to its batch API: it has one, and the operator didn't turn it off. Jobs that
// are there are seen to their end in any case.
func (p *Provider) TakesBatches() bool { return p.options.Batch != nil && !p.options.BatchOff }

// Unsubmitted adds Submitted to the error of a Submit that says nothing of it yet.
func Unsubmitted(err error) error {
	switch {
	case fault.From(err).Metadata[Submitted] != "":
		return err
	case Refused(err):
		return Unmade(err)
	}
	return submitted(err, SubmittedUnknown)
}

// Unmade marks the error of a Submit after which there is no batch for certain.
func Unmade(err error) error { return submitted(err, SubmittedNo) }

// submitted marks a copy: the error may be the cause of a context that others read.
func submitted(err error, value string) error {
	said := *fault.From(err)
	said.Metadata = maps.Clone(said.Metadata)
	return said.With(Submitted, value)
}

// statusOverloaded is Anthropic's word for work that it doesn't begin.
const statusOverloaded = 529

// Refused reports whether the error of a Submit is a refusal: the provider's own (529, and 4xx but for 408 and 409, which
// say nothing of what was done), of its account, or Headgate's.
func Refused(err error) bool {
	f := fault.From(err)
	switch f.Reason {
	case errorsv1.Reason_REASON_PROVIDER_CREDENTIALS, errorsv1.Reason_REASON_SENSITIVITY, errorsv1.Reason_REASON_NOT_FOUND,
		errorsv1.Reason_REASON_INVALID_FIELD, errorsv1.Reason_REASON_MISSING_FIELD, errorsv1.Reason_REASON_REQUEST_TOO_LARGE,
		errorsv1.Reason_REASON_OVERLOADED:
		return true
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		status := f.HTTPStatus()
		return status == statusOverloaded || status < http.StatusInternalServerError && status != http.StatusConflict && status != http.StatusRequestTimeout
	}
	return false
}

// maxBatchID bounds a provider's own id of a batch or a file.
const maxBatchID = 128

// BatchID reports whether a text can be a provider's own id of a batch or a file: it becomes part of a path, and may lead
// nowhere else.
func BatchID(id string) bool { return Word(id, maxBatchID) }

// Word reports whether a text is 1 to most letters, digits, - and _.
func Word(s string, most int) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= most
}
