package batches

import (
	"net/http"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// openAIBatch is OpenAI's batch object.
type openAIBatch struct {
	ID               string            `json:"id"`
	Object           string            `json:"object"`
	Endpoint         string            `json:"endpoint"`
	Model            string            `json:"model,omitempty"`
	Errors           *openAIErrors     `json:"errors"`
	InputFileID      string            `json:"input_file_id"`
	CompletionWindow string            `json:"completion_window"`
	Status           string            `json:"status"`
	OutputFileID     *string           `json:"output_file_id"`
	ErrorFileID      *string           `json:"error_file_id"`
	CreatedAt        int64             `json:"created_at"`
	InProgressAt     *int64            `json:"in_progress_at"`
	ExpiresAt        *int64            `json:"expires_at"`
	FinalizingAt     *int64            `json:"finalizing_at"`
	CompletedAt      *int64            `json:"completed_at"`
	FailedAt         *int64            `json:"failed_at"`
	ExpiredAt        *int64            `json:"expired_at"`
	CancellingAt     *int64            `json:"cancelling_at"`
	CancelledAt      *int64            `json:"cancelled_at"`
	RequestCounts    openAICounts      `json:"request_counts"`
	Usage            *openAIUsage      `json:"usage,omitempty"`
	Metadata         map[string]string `json:"metadata"`
}

type openAIErrors struct {
	Object string        `json:"object"`
	Data   []openAIError `json:"data"`
}

type openAIError struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
	Line    *int64  `json:"line"`
}

type openAICounts struct {
	Total     int64 `json:"total"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
}

type openAIUsage struct {
	InputTokens        int64 `json:"input_tokens"`
	InputTokensDetails struct {
		CachedTokens int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens        int64 `json:"output_tokens"`
	OutputTokensDetails struct {
		ReasoningTokens int64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int64 `json:"total_tokens"`
}

// operations are the endpoints that lines of a batch may ask.
var operations = map[string]batchv1.BatchOperation{
	"/v1/chat/completions": batchv1.BatchOperation_BATCH_OPERATION_CHAT,
	"/v1/embeddings":       batchv1.BatchOperation_BATCH_OPERATION_EMBED,
}

var statuses = map[batchv1.BatchState]string{
	batchv1.BatchState_BATCH_STATE_VALIDATING:  "validating",
	batchv1.BatchState_BATCH_STATE_FAILED:      "failed",
	batchv1.BatchState_BATCH_STATE_IN_PROGRESS: "in_progress",
	batchv1.BatchState_BATCH_STATE_FINALIZING:  "finalizing",
	batchv1.BatchState_BATCH_STATE_COMPLETED:   "completed",
	batchv1.BatchState_BATCH_STATE_EXPIRED:     "expired",
	batchv1.BatchState_BATCH_STATE_CANCELLING:  "cancelling",
	batchv1.BatchState_BATCH_STATE_CANCELLED:   "cancelled",
}

func openAIOf(b *batchv1.Batch) openAIBatch {
	c := b.GetCounts()
	out := openAIBatch{
		ID: b.GetId(), Object: "batch", Endpoint: endpoint(b.GetOperation()), Model: b.GetModel(), Errors: openAIErrorsOf(b.GetErrors()),
		InputFileID: b.GetInputFileId(), CompletionWindow: window(b), Status: statuses[b.GetState()],
		OutputFileID: text(b.GetOutputFileId()), ErrorFileID: text(b.GetErrorFileId()),
		CreatedAt: b.GetCreatedAt().GetSeconds(), InProgressAt: seconds(b.GetInProgressAt()), ExpiresAt: seconds(b.GetExpiresAt()),
		FinalizingAt: seconds(b.GetFinalizingAt()), CancellingAt: seconds(b.GetCancellingAt()),
		RequestCounts: openAICounts{Total: c.GetTotal(), Completed: c.GetCompleted(), Failed: c.GetFailed() + c.GetCancelled() + c.GetExpired()},
		Usage:         openAIUsageOf(b.GetUsage()), Metadata: b.GetMetadata(),
	}
	switch ended := seconds(b.GetEndedAt()); b.GetState() {
	case batchv1.BatchState_BATCH_STATE_COMPLETED:
		out.CompletedAt = ended
	case batchv1.BatchState_BATCH_STATE_FAILED:
		out.FailedAt = ended
	case batchv1.BatchState_BATCH_STATE_EXPIRED:
		out.ExpiredAt = ended
	case batchv1.BatchState_BATCH_STATE_CANCELLED:
		out.CancelledAt = ended
	}
	return out
}

func endpoint(o batchv1.BatchOperation) string {
	if o == batchv1.BatchOperation_BATCH_OPERATION_EMBED {
		return "/v1/embeddings"
	}
	return "/v1/chat/completions"
}

// window is how long the batch may take, in OpenAI's manner.
func window(b *batchv1.Batch) string {
	d := b.GetExpiresAt().AsTime().Sub(b.GetCreatedAt().AsTime())
	return durationText(d)
}

func openAIErrorsOf(list []*batchv1.BatchError) *openAIErrors {
	if len(list) == 0 {
		return nil
	}
	out := &openAIErrors{Object: "list"}
	for _, e := range list {
		one := openAIError{Code: e.GetCode(), Message: e.GetMessage(), Param: text(e.GetField())}
		if line := e.GetLine(); line > 0 {
			one.Line = &line
		}
		out.Data = append(out.Data, one)
	}
	return out
}

func openAIUsageOf(u *llmv1.TokenUsage) *openAIUsage {
	if u == nil {
		return nil
	}
	out := &openAIUsage{InputTokens: u.GetInputTokens(), OutputTokens: u.GetOutputTokens(), TotalTokens: u.GetInputTokens() + u.GetOutputTokens()}
	out.InputTokensDetails.CachedTokens = u.GetCachedInputTokens()
	out.OutputTokensDetails.ReasoningTokens = u.GetReasoningTokens()
	return out
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func seconds(t *timestamppb.Timestamp) *int64 {
	if t == nil {
		return nil
	}
	n := t.GetSeconds()
	return &n
}

// CreateBatch serves POST /v1/batches.
func (e *Edges) CreateBatch() http.HandlerFunc {
	return answer(e.OpenAI, func(w http.ResponseWriter, r *http.Request) (openAIBatch, error) {
		var asked struct {
			InputFileID      string            `json:"input_file_id"`
			Endpoint         string            `json:"endpoint"`
			CompletionWindow string            `json:"completion_window"`
			Metadata         map[string]string `json:"metadata"`
		}
		if err := e.small(w, r, &asked); err != nil {
			return openAIBatch{}, err
		}
		operation, ok := operations[asked.Endpoint]
		switch {
		case asked.InputFileID == "":
			return openAIBatch{}, missing("input_file_id", "upload a file of purpose batch first: POST /v1/files")
		case asked.Endpoint == "":
			return openAIBatch{}, missing("endpoint", "must be /v1/chat/completions or /v1/embeddings")
		case !ok:
			return openAIBatch{}, invalid("endpoint", "must be /v1/chat/completions or /v1/embeddings")
		}
		d, err := windowOf(asked.CompletionWindow)
		if err != nil {
			return openAIBatch{}, err
		}
		request := &batchv1.CreateBatchRequest{
			InputFileId: asked.InputFileID, Dialect: llmv1.Dialect_DIALECT_OPENAI, Operation: operation,
			CompletionWindow: durationpb.New(d), Metadata: asked.Metadata,
		}
		if err := steer(r, request); err != nil {
			return openAIBatch{}, err
		}
		b, err := e.Batches.CreateBatch(r.Context(), request)
		return openAIOf(b.GetBatch()), err
	})
}

// ListBatches serves GET /v1/batches.
func (e *Edges) ListBatches() http.HandlerFunc {
	return answer(e.OpenAI, func(_ http.ResponseWriter, r *http.Request) (page[openAIBatch], error) {
		limit, err := number(r, "limit", 100)
		if err != nil {
			return page[openAIBatch]{}, err
		}
		list, err := e.Batches.ListBatches(r.Context(), &batchv1.ListBatchesRequest{
			Limit: limit, After: r.URL.Query().Get("after"), Dialect: llmv1.Dialect_DIALECT_OPENAI,
		})
		out := page[openAIBatch]{Object: "list", Data: []openAIBatch{}, HasMore: list.GetHasMore()}
		for _, b := range list.GetBatches() {
			out.Data = append(out.Data, openAIOf(b))
		}
		if n := len(out.Data); n > 0 {
			out.FirstID, out.LastID = &out.Data[0].ID, &out.Data[n-1].ID
		}
		return out, err
	})
}

// GetBatch serves GET /v1/batches/{id}.
func (e *Edges) GetBatch(id string) http.HandlerFunc {
	return answer(e.OpenAI, func(_ http.ResponseWriter, r *http.Request) (openAIBatch, error) {
		b, err := e.Batches.GetBatch(r.Context(), &batchv1.GetBatchRequest{Id: id})
		return openAIOf(b.GetBatch()), err
	})
}

// CancelBatch serves POST /v1/batches/{id}/cancel.
func (e *Edges) CancelBatch(id string) http.HandlerFunc {
	return answer(e.OpenAI, func(_ http.ResponseWriter, r *http.Request) (openAIBatch, error) {
		b, err := e.Batches.CancelBatch(r.Context(), &batchv1.CancelBatchRequest{Id: id})
		return openAIOf(b.GetBatch()), err
	})
}
