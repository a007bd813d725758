package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/headgate-mesh/headgate/dialect/anthropic"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// Anthropic's bounds on one batch (its guide to batch processing).
const (
	messageLines = 100_000
	messageBytes = 256_000_000
	// messageFrame is what is written around one line, at most.
	messageFrame = 110

	messageBatchesPath = "/v1/messages/batches"
)

// messageBatches is Anthropic's batch API: one request with all the lines, one file of answers. Safe for concurrent use.
type messageBatches struct{ batches }

// MessageBatches gives the adapter Anthropic's batch API.
func (a *Adapter) MessageBatches() { a.batch = messageBatches{batches{Adapter: a, still: batchStill}} }

// messageBatch is Anthropic's batch object, as far as it is of use.
type messageBatch struct {
	ID        string        `json:"id"`
	Status    string        `json:"processing_status"`
	CreatedAt time.Time     `json:"created_at"`
	Counts    messageCounts `json:"request_counts"`
}

// messageCounts are all processing until the whole batch has ended.
type messageCounts struct {
	Processing int64 `json:"processing"`
	Succeeded  int64 `json:"succeeded"`
	Errored    int64 `json:"errored"`
	Canceled   int64 `json:"canceled"`
	Expired    int64 `json:"expired"`
}

func (c messageCounts) done() int64 { return c.Succeeded + c.Errored + c.Canceled + c.Expired }

func (m messageBatch) ended() bool { return m.Status == "ended" }

// Limits implements provider.Batch. What is written around the lines is taken off the bytes.
func (messageBatches) Limits(routerv1.Operation) *routerv1.JobLimits {
	return &routerv1.JobLimits{Lines: messageLines, Bytes: messageBytes - messageLines*messageFrame}
}

// Submit implements provider.Batch.
func (b messageBatches) Submit(ctx context.Context, d *routerv1.JobDescription, next func() (*routerv1.JobLine, error)) (*routerv1.JobReference, error) {
	key := b.newKey()
	r := upstream.Request{
		Method: http.MethodPost, Path: messageBatchesPath, Header: b.jobHeader(d), ContentType: "application/json", Key: key,
	}
	var made messageBatch
	err := b.upload(ctx, r, &made, func(w io.Writer) error {
		lines := newLineWriter(w, messageLines, messageBytes)
		if err := lines.text(`{"requests":[`); err != nil {
			return err
		}
		if err := lines.all(next, ",", "}", func(id string) string { return `{"custom_id":"` + id + `","params":` }); err != nil {
			return err
		}
		return lines.done("]}")
	})
	if err != nil {
		return nil, err
	}
	return b.reference(made.ID, key), b.named(made.ID)
}

// Find implements provider.Batch. A batch has no place for a name: what tells it from others is its age, its size and,
// once it has ended, the names of its lines.
func (b messageBatches) Find(ctx context.Context, r *routerv1.FindJobRequest) (*routerv1.FindJobResponse, error) {
	since := r.GetSubmittedAt().AsTime().Add(-batchSlack)
	return b.search(ctx, func(ctx context.Context, key credential.Lease) (id string, unclear bool, err error) {
		err = walk(ctx, b.batches, key, messageBatchesPath+batchPage, "&after_id=", func(one messageBatch) (bool, error) {
			switch {
			case one.CreatedAt.Before(since):
				return false, nil
			case one.Counts.Processing+one.Counts.done() != r.GetLines():
				return true, nil
			case !one.ended():
				unclear = true
				return true, nil
			}
			mine, err := b.holds(ctx, key, one.ID, r)
			if mine {
				id = one.ID
			}
			return !mine, err
		})
		return id, unclear, err
	})
}

// errEnough ends the reading of a file.
var errEnough = errors.New("enough was read")

// holds reports whether the first of the results of a batch is a line of the job.
func (b messageBatches) holds(ctx context.Context, key credential.Lease, id string, r *routerv1.FindJobRequest) (mine bool, err error) {
	if err := b.named(id); err != nil {
		return false, err
	}
	err = b.lines(ctx, key, b.path(id)+"/results", func(line []byte) error {
		var m struct {
			CustomID string `json:"custom_id"`
		}
		if err := b.result(line, &m); err != nil {
			return err
		}
		mine = strings.HasPrefix(m.CustomID, r.GetDescription().GetJobId()+"-") || m.CustomID == r.GetFirstLine()
		return errEnough
	})
	if errors.Is(err, errEnough) || unknown(err) { // a batch whose results are gone is older than any that is looked for
		err = nil
	}
	return mine, err
}

func (b messageBatches) path(id string) string { return messageBatchesPath + "/" + id }

// Get implements provider.Batch.
func (b messageBatches) Get(ctx context.Context, j *routerv1.JobReference) (*routerv1.GetJobResponse, error) {
	one, err := b.get(ctx, j, b.keyOf(j))
	switch {
	case unknown(err):
		return &routerv1.GetJobResponse{State: routerv1.JobState_JOB_STATE_UNKNOWN}, nil
	case err != nil:
		return nil, err
	case one.ended():
		return &routerv1.GetJobResponse{State: routerv1.JobState_JOB_STATE_ENDED, Done: one.Counts.done()}, nil
	}
	return &routerv1.GetJobResponse{State: routerv1.JobState_JOB_STATE_RUNNING, Done: one.Counts.done()}, nil
}

func (b messageBatches) get(ctx context.Context, j *routerv1.JobReference, key credential.Lease) (one messageBatch, err error) {
	err = b.ask(ctx, upstream.Request{Method: http.MethodGet, Path: b.path(j.GetUpstreamId()), Key: key}, &one)
	return one, err
}

// Cancel implements provider.Batch.
func (b messageBatches) Cancel(ctx context.Context, j *routerv1.JobReference) error {
	key := b.keyOf(j)
	return b.cancel(ctx, key, b.path(j.GetUpstreamId())+"/cancel", func() bool {
		one, err := b.get(ctx, j, key)
		return unknown(err) || (err == nil && one.ended())
	})
}

// Results implements provider.Batch. The address of the results is made here: the provider's own results_url would be an
// address that a provider chooses.
func (b messageBatches) Results(ctx context.Context, j *routerv1.JobReference, emit func(*routerv1.JobResult) error) error {
	key := b.keyOf(j)
	one, err := b.get(ctx, j, key)
	switch {
	case unknown(err):
		return b.noJob()
	case err != nil:
		return err
	case !one.ended():
		return b.notEnded()
	}
	var got int64
	err = b.lines(ctx, key, b.path(j.GetUpstreamId())+"/results", func(line []byte) error {
		got++
		return b.emit(line, emit)
	})
	switch {
	case unknown(err):
		return b.noJob()
	case err != nil:
		return err
	}
	return b.fewer(got, one.Counts.done())
}

// messageResult is one line of the results.
type messageResult struct {
	CustomID string `json:"custom_id"`
	Result   struct {
		Type    string          `json:"type"`
		Message json.RawMessage `json:"message"`
		Error   json.RawMessage `json:"error"`
	} `json:"result"`
}

func (b messageBatches) emit(line []byte, emit func(*routerv1.JobResult) error) error {
	var m messageResult
	if err := b.result(line, &m); err != nil {
		return err
	}
	switch m.Result.Type {
	case "succeeded":
		return emit(answered(m.CustomID, http.StatusOK, m.Result.Message))
	case "canceled":
		return emit(&routerv1.JobResult{Id: text(m.CustomID), Outcome: routerv1.JobOutcome_JOB_OUTCOME_CANCELLED})
	case "expired":
		return emit(&routerv1.JobResult{Id: text(m.CustomID), Outcome: routerv1.JobOutcome_JOB_OUTCOME_EXPIRED})
	case "errored":
		return emit(b.failed(m))
	}
	return b.malformed("a result of a kind that Headgate doesn't know", nil)
}

// failed is a line with the provider's error: the type of the error says which status it would have had.
func (b messageBatches) failed(m messageResult) *routerv1.JobResult {
	var said struct {
		RequestID string `json:"request_id"`
	}
	_ = json.Unmarshal(m.Result.Error, &said) // what isn't there stays empty
	result := answered(m.CustomID, anthropic.ErrorStatus(m.Result.Error), b.client.Mask(m.Result.Error))
	result.UpstreamRequestId = text(said.RequestID)
	return result
}
