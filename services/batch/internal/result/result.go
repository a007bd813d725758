// Package result writes the results of lines as the vendors' batch APIs do: a JSON object for each, on a line of its own.
package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// RequestID is the request id of a line, as on its usage rows.
func RequestID(batch string, line int64) string { return fmt.Sprintf("%s.%d", batch, line) }

// Line returns a result as a line of a results file, with its line break.
func Line(b *store.Batch, r store.Result) []byte {
	var v any
	if b.Dialect == llmv1.Dialect_DIALECT_ANTHROPIC {
		v = anthropicLine(r)
	} else {
		v = openAILine(b, r)
	}
	text, err := json.Marshal(v)
	if err != nil { // a body that isn't JSON, and Text makes all of them JSON
		text = fmt.Appendf(nil, `{"custom_id":%q,"error":{"code":"unreadable","message":"the result can't be written"}}`, r.CustomID)
	}
	return append(text, '\n')
}

type openAIResult struct {
	ID       string          `json:"id"`
	CustomID string          `json:"custom_id"`
	Response *openAIResponse `json:"response"`
	Error    *openAIError    `json:"error"`
}

type openAIResponse struct {
	StatusCode int             `json:"status_code"`
	RequestID  string          `json:"request_id"`
	Body       json.RawMessage `json:"body"`
}

type openAIError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func openAILine(b *store.Batch, r store.Result) openAIResult {
	_, own, _ := strings.Cut(b.ID, "_")
	line := openAIResult{ID: fmt.Sprintf("batch_req_%s_%d", own, r.Line), CustomID: r.CustomID}
	switch {
	case r.Outcome == batchv1.LineOutcome_LINE_OUTCOME_EXPIRED:
		line.Error = &openAIError{Code: "batch_expired", Message: "the batch's time ran out before this line was asked"}
	case r.Outcome == batchv1.LineOutcome_LINE_OUTCOME_CANCELLED:
		line.Error = &openAIError{Code: "batch_cancelled", Message: "the batch was cancelled before this line was asked"}
	case r.HTTPStatus == 0:
		object := rawjson.Get(r.Body, "error")
		code, _ := rawjson.Unquote(rawjson.Get(object, "code"))
		message, _ := rawjson.Unquote(rawjson.Get(object, "message"))
		line.Error = &openAIError{Code: string(code), Message: string(message)}
	default:
		line.Response = &openAIResponse{StatusCode: r.HTTPStatus, RequestID: RequestID(b.ID, r.Line), Body: r.Body}
	}
	return line
}

type anthropicResult struct {
	CustomID string          `json:"custom_id"`
	Result   anthropicOutput `json:"result"`
}

type anthropicOutput struct {
	Type    string          `json:"type"`
	Message json.RawMessage `json:"message,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

func anthropicLine(r store.Result) anthropicResult {
	line := anthropicResult{CustomID: r.CustomID}
	switch r.Outcome {
	case batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED:
		line.Result = anthropicOutput{Type: "succeeded", Message: r.Body}
	case batchv1.LineOutcome_LINE_OUTCOME_CANCELLED:
		line.Result.Type = "canceled"
	case batchv1.LineOutcome_LINE_OUTCOME_EXPIRED:
		line.Result.Type = "expired"
	default:
		line.Result = anthropicOutput{Type: "errored", Error: r.Body}
	}
	return line
}

// Failed reports whether a result belongs into the file of errors. Anthropic's results are one file.
func Failed(b *store.Batch, r store.Result) bool {
	return b.Dialect != llmv1.Dialect_DIALECT_ANTHROPIC && r.Outcome != batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED
}

// Text returns a body as JSON text: as it is, or as a string where it isn't JSON.
func Text(body []byte) []byte {
	body = bytes.TrimSpace(body)
	if rawjson.Check(body, maxDepth) == nil {
		return body
	}
	return rawjson.Quote(nil, bytes.ToValidUTF8(body, []byte("?")))
}

const maxDepth = 10_000

// ErrorBody writes an error of Headgate as the dialect's.
func ErrorBody(d llmv1.Dialect, e *fault.Error, requestID string) []byte {
	if d == llmv1.Dialect_DIALECT_ANTHROPIC {
		return anthropic.ErrorBody(e, requestID)
	}
	return openai.ErrorBody(e, requestID)
}

// Codes of lines that errors.v1 has no reason for.
const (
	// Interrupted is a line that was answered, and the answer lost with the process.
	Interrupted = "interrupted"
	// TooLarge is a line whose answer was more than is kept.
	TooLarge = "result_too_large"
	// LostAtProvider is a line whose job the provider doesn't know any more, or doesn't end.
	LostAtProvider = "lost_at_provider"
	// NoResult is a line whose job ended without a result for it.
	NoResult = "no_result"
)

// OwnError writes an error with a code of this package.
func OwnError(d llmv1.Dialect, code, message, requestID string) []byte {
	object := map[string]any{"type": "api_error", "message": message, "code": code}
	whole := map[string]any{"type": "error", "error": object, "request_id": requestID}
	if d != llmv1.Dialect_DIALECT_ANTHROPIC {
		object["type"], object["param"] = "server_error", nil
		whole = map[string]any{"error": object}
	} else {
		delete(object, "code")
		object["details"] = map[string]string{"error_code": code}
	}
	text, err := json.Marshal(whole)
	if err != nil {
		return ErrorBody(d, fault.New(errorsv1.Reason_REASON_INTERNAL, "%s", message), requestID)
	}
	return text
}
