package adapter

import (
	"context"
	"encoding/json"
	"net/http"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Results implements provider.Batch: the answers, then the errors.
func (b fileBatches) Results(ctx context.Context, j *routerv1.JobReference, emit func(*routerv1.JobResult) error) error {
	key := b.keyOf(j)
	one, err := b.get(ctx, j, key)
	switch {
	case unknown(err):
		return b.noJob()
	case err != nil:
		return err
	case one.state() == routerv1.JobState_JOB_STATE_RUNNING:
		return b.notEnded()
	}
	var got int64
	for _, file := range []string{one.OutputFileID, one.ErrorFileID} {
		if file == "" {
			continue
		}
		if err := b.named(file); err != nil {
			return err
		}
		err := b.lines(ctx, key, "/files/"+file+"/content", func(line []byte) error {
			got++
			return b.emit(line, emit)
		})
		if unknown(err) {
			return b.noJob()
		}
		if err != nil {
			return err
		}
	}
	return b.fewer(got, one.Counts.Completed+one.Counts.Failed)
}

// fileResult is one line of a file of answers or errors.
type fileResult struct {
	CustomID string `json:"custom_id"`
	Response *struct {
		StatusCode int             `json:"status_code"`
		RequestID  string          `json:"request_id"`
		Body       json.RawMessage `json:"body"`
	} `json:"response"`
	Error *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func (b fileBatches) emit(line []byte, emit func(*routerv1.JobResult) error) error {
	var f fileResult
	if err := b.result(line, &f); err != nil {
		return err
	}
	return emit(b.resultOf(f))
}

func (b fileBatches) resultOf(f fileResult) *routerv1.JobResult {
	if r := f.Response; r != nil {
		body := []byte(r.Body)
		if r.StatusCode >= http.StatusBadRequest {
			body = b.client.Mask(body)
		}
		result := answered(f.CustomID, r.StatusCode, body)
		result.UpstreamRequestId = text(r.RequestID)
		return result
	}
	code, message := "", "the provider gave neither an answer nor an error"
	if f.Error != nil {
		code, message = f.Error.Code, f.Error.Message
	}
	switch code {
	case "batch_expired":
		return &routerv1.JobResult{Id: text(f.CustomID), Outcome: routerv1.JobOutcome_JOB_OUTCOME_EXPIRED}
	case "batch_cancelled":
		return &routerv1.JobResult{Id: text(f.CustomID), Outcome: routerv1.JobOutcome_JOB_OUTCOME_CANCELLED}
	}
	masked := string(b.client.Mask([]byte(message)))
	failure := fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", masked).With("http_status", "500").With("provider_code", code)
	return answered(f.CustomID, http.StatusInternalServerError, b.wire.ErrorBody(failure, ""))
}
