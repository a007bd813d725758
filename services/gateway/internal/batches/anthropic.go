package batches

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// anthropicBatch is Anthropic's message batch object.
type anthropicBatch struct {
	ID                string          `json:"id"`
	Type              string          `json:"type"`
	ProcessingStatus  string          `json:"processing_status"`
	RequestCounts     anthropicCounts `json:"request_counts"`
	CreatedAt         string          `json:"created_at"`
	ExpiresAt         string          `json:"expires_at"`
	EndedAt           *string         `json:"ended_at"`
	CancelInitiatedAt *string         `json:"cancel_initiated_at"`
	ArchivedAt        *string         `json:"archived_at"`
	ResultsURL        *string         `json:"results_url"`
}

// anthropicCounts stay at zero, but for processing, until all lines have ended.
type anthropicCounts struct {
	Processing int64 `json:"processing"`
	Succeeded  int64 `json:"succeeded"`
	Errored    int64 `json:"errored"`
	Canceled   int64 `json:"canceled"`
	Expired    int64 `json:"expired"`
}

// anthropicPage is a list of Anthropic's.
type anthropicPage struct {
	Data    []anthropicBatch `json:"data"`
	HasMore bool             `json:"has_more"`
	FirstID *string          `json:"first_id"`
	LastID  *string          `json:"last_id"`
}

type anthropicDeleted struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

func (e *Edges) anthropicOf(r *http.Request, b *batchv1.Batch) anthropicBatch {
	c := b.GetCounts()
	out := anthropicBatch{
		ID: b.GetId(), Type: "message_batch", ProcessingStatus: "in_progress",
		CreatedAt: stamp(b.GetCreatedAt()), ExpiresAt: stamp(b.GetExpiresAt()),
		CancelInitiatedAt: moment(b.GetCancellingAt()),
	}
	switch b.GetState() {
	case batchv1.BatchState_BATCH_STATE_COMPLETED, batchv1.BatchState_BATCH_STATE_EXPIRED,
		batchv1.BatchState_BATCH_STATE_CANCELLED, batchv1.BatchState_BATCH_STATE_FAILED:
		out.ProcessingStatus = "ended"
		out.EndedAt = moment(b.GetEndedAt())
		out.ResultsURL = text(e.public(r) + "/v1/messages/batches/" + b.GetId() + "/results")
		out.RequestCounts = anthropicCounts{Succeeded: c.GetCompleted(), Errored: c.GetFailed(), Canceled: c.GetCancelled(), Expired: c.GetExpired()}
		return out
	case batchv1.BatchState_BATCH_STATE_CANCELLING:
		out.ProcessingStatus = "canceling"
	}
	out.RequestCounts.Processing = c.GetTotal()
	return out
}

// public is the address under which clients find this gateway. The SDKs fetch results from it, with their key.
func (e *Edges) public(r *http.Request) string {
	switch {
	case e.PublicURL != "":
		return e.PublicURL
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func stamp(t *timestamppb.Timestamp) string { return t.AsTime().UTC().Format(time.RFC3339Nano) }

func moment(t *timestamppb.Timestamp) *string {
	if t == nil {
		return nil
	}
	s := stamp(t)
	return &s
}

// validation is how long a new batch's lines may take to be checked before it is handed out unchecked.
const (
	validation     = 60 * time.Second
	validationLook = 20 * time.Millisecond
)

// CreateMessageBatch serves POST /v1/messages/batches. Anthropic's dialect knows no batch that failed: what is wrong with
// its lines is the answer to this call.
func (e *Edges) CreateMessageBatch() http.HandlerFunc {
	return answer(e.Anthropic, func(w http.ResponseWriter, r *http.Request) (anthropicBatch, error) {
		request := &batchv1.CreateBatchRequest{
			Dialect: llmv1.Dialect_DIALECT_ANTHROPIC, Operation: batchv1.BatchOperation_BATCH_OPERATION_CHAT, Headers: dialectHeaders(r),
		}
		if err := steer(r, request); err != nil {
			return anthropicBatch{}, err
		}
		body, err := e.body(w, r)
		if err != nil {
			return anthropicBatch{}, err
		}
		f, err := e.upload(r.Context(), &batchv1.FileDescription{
			Filename: "requests.json", Format: batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS,
		}, body, nil)
		body.done(err)
		if err != nil {
			return anthropicBatch{}, err
		}
		request.InputFileId = f.GetId()
		made, err := e.Batches.CreateBatch(r.Context(), request)
		// The caller knows nothing of a file. The batch goes on without it, and what was asked goes with the batch.
		_, _ = e.Batches.DeleteFile(context.WithoutCancel(r.Context()), &batchv1.DeleteFileRequest{Id: f.GetId()})
		if err != nil {
			return anthropicBatch{}, err
		}
		b, err := e.checked(r.Context(), made.GetBatch())
		return e.anthropicOf(r, b), err
	})
}

// dialectHeaders are those that count for every line.
func dialectHeaders(r *http.Request) map[string]string {
	headers := make(map[string]string)
	for _, name := range []string{"anthropic-version", "anthropic-beta"} {
		if v := strings.Join(r.Header.Values(name), ","); v != "" {
			headers[name] = v
		}
	}
	return headers
}

// checked waits until a batch's lines are checked. One that failed is deleted, and its first error is the caller's.
func (e *Edges) checked(ctx context.Context, b *batchv1.Batch) (*batchv1.Batch, error) {
	for began := time.Now(); b.GetState() == batchv1.BatchState_BATCH_STATE_VALIDATING && time.Since(began) < validation; {
		select {
		case <-ctx.Done():
			return b, ctx.Err()
		case <-time.After(validationLook):
		}
		answer, err := e.Batches.GetBatch(ctx, &batchv1.GetBatchRequest{Id: b.GetId()})
		if err != nil {
			return b, err
		}
		b = answer.GetBatch()
	}
	if b.GetState() != batchv1.BatchState_BATCH_STATE_FAILED {
		return b, nil
	}
	_, _ = e.Batches.DeleteBatch(ctx, &batchv1.DeleteBatchRequest{Id: b.GetId()})
	return b, failed(b)
}

// failed is what is wrong with the lines, the first of them by its place.
func failed(b *batchv1.Batch) error {
	if len(b.GetErrors()) == 0 {
		return invalid("requests", "aren't as they have to be")
	}
	first := b.GetErrors()[0]
	field := "requests"
	if line := first.GetLine(); line > 0 {
		field = fmt.Sprintf("requests.%d", line-1)
	}
	if f := first.GetField(); f != "" {
		field += "." + f
	}
	more := ""
	if n := len(b.GetErrors()); n > 1 {
		more = fmt.Sprintf(" (and %d more mistakes)", n-1)
	}
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s: %s%s", field, first.GetMessage(), more).With("field", field)
}

// ListMessageBatches serves GET /v1/messages/batches.
func (e *Edges) ListMessageBatches() http.HandlerFunc {
	return answer(e.Anthropic, func(_ http.ResponseWriter, r *http.Request) (anthropicPage, error) {
		limit, err := number(r, "limit", 1000)
		if err != nil {
			return anthropicPage{}, err
		}
		q := r.URL.Query()
		list, err := e.Batches.ListBatches(r.Context(), &batchv1.ListBatchesRequest{
			Limit: limit, After: q.Get("after_id"), Before: q.Get("before_id"), Dialect: llmv1.Dialect_DIALECT_ANTHROPIC,
		})
		out := anthropicPage{Data: []anthropicBatch{}, HasMore: list.GetHasMore()}
		for _, b := range list.GetBatches() {
			out.Data = append(out.Data, e.anthropicOf(r, b))
		}
		if n := len(out.Data); n > 0 {
			out.FirstID, out.LastID = &out.Data[0].ID, &out.Data[n-1].ID
		}
		return out, err
	})
}

// GetMessageBatch serves GET /v1/messages/batches/{id}.
func (e *Edges) GetMessageBatch(id string) http.HandlerFunc {
	return answer(e.Anthropic, func(_ http.ResponseWriter, r *http.Request) (anthropicBatch, error) {
		b, err := e.Batches.GetBatch(r.Context(), &batchv1.GetBatchRequest{Id: id})
		return e.anthropicOf(r, b.GetBatch()), err
	})
}

// CancelMessageBatch serves POST /v1/messages/batches/{id}/cancel.
func (e *Edges) CancelMessageBatch(id string) http.HandlerFunc {
	return answer(e.Anthropic, func(_ http.ResponseWriter, r *http.Request) (anthropicBatch, error) {
		b, err := e.Batches.CancelBatch(r.Context(), &batchv1.CancelBatchRequest{Id: id})
		return e.anthropicOf(r, b.GetBatch()), err
	})
}

// DeleteMessageBatch serves DELETE /v1/messages/batches/{id}.
func (e *Edges) DeleteMessageBatch(id string) http.HandlerFunc {
	return answer(e.Anthropic, func(_ http.ResponseWriter, r *http.Request) (anthropicDeleted, error) {
		_, err := e.Batches.DeleteBatch(r.Context(), &batchv1.DeleteBatchRequest{Id: id})
		return anthropicDeleted{ID: id, Type: "message_batch_deleted"}, err
	})
}

// result is a line of results.
type result struct {
	CustomID string `json:"custom_id"`
	Result   struct {
		Type    string          `json:"type"`
		Message json.RawMessage `json:"message,omitempty"`
		Error   json.RawMessage `json:"error,omitempty"`
	} `json:"result"`
}

func resultOf(m *batchv1.StreamResultsResponse) result {
	out := result{CustomID: m.GetCustomId()}
	switch m.GetOutcome() {
	case batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED:
		out.Result.Type, out.Result.Message = "succeeded", json.RawMessage(m.GetBody())
	case batchv1.LineOutcome_LINE_OUTCOME_CANCELLED:
		out.Result.Type = "canceled"
	case batchv1.LineOutcome_LINE_OUTCOME_EXPIRED:
		out.Result.Type = "expired"
	default:
		out.Result.Type, out.Result.Error = "errored", json.RawMessage(m.GetBody())
	}
	return out
}

// MessageBatchResults serves GET /v1/messages/batches/{id}/results.
func (e *Edges) MessageBatchResults(id string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream, err := e.Batches.StreamResults(r.Context(), &batchv1.StreamResultsRequest{Id: id})
		var first *batchv1.StreamResultsResponse
		if err == nil {
			first, err = stream.Recv()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			e.Anthropic.Refuse(w, meta.RequestID(r.Context()), fault.From(err))
			return
		}
		w.Header().Set("Content-Type", "application/x-jsonl")
		out := bufio.NewWriterSize(e.writer(w), part)
		lines := json.NewEncoder(out)
		lines.SetEscapeHTML(false)
		for m := first; err == nil; m, err = stream.Recv() {
			if lines.Encode(resultOf(m)) != nil {
				broken()
			}
		}
		if !errors.Is(err, io.EOF) || out.Flush() != nil {
			broken()
		}
	}
}
