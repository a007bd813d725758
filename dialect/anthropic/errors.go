package anthropic

import (
	"encoding/json"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

type errorBody struct {
	Type      string      `json:"type"`
	Error     errorObject `json:"error"`
	RequestID string      `json:"request_id,omitempty"`
}

type errorObject struct {
	Type    string         `json:"type"`
	Message string         `json:"message"`
	Details map[string]any `json:"details,omitempty"`
}

// ErrorBody writes an error of Headgate as Anthropic's error object; details.error_code is the reason, details.field the
// field it is about.
func ErrorBody(e *fault.Error, requestID string) []byte {
	details := map[string]any{"error_code": fault.Code(e.Reason)}
	field := e.Metadata["field"]
	if field != "" {
		details["field"] = field
	}
	if name, _, _ := strings.Cut(field, "."); name == "thread" && e.Reason == errorsv1.Reason_REASON_UNSUPPORTED {
		// The SDKs' tool runners then send the conversation themselves (ThreadState in @anthropic-ai/sdk 1.12).
		details["error_code"], details["unsupported"] = "thread_unsupported_request", []string{"thread"}
	}
	body, err := json.Marshal(errorBody{
		Type:      "error",
		Error:     errorObject{Type: typeOf(StatusOf(e)), Message: e.Message, Details: details},
		RequestID: requestID,
	})
	if err != nil {
		return []byte(`{"type":"error","error":{"type":"api_error","message":"an error that can't be written"}}`)
	}
	return body
}

// statusBilling is that of billing_error, Payment Required.
const statusBilling = 402

// StatusOf is the HTTP status of an error of Headgate in this dialect: 402 where a budget is used up, which nobody
// repeats.
func StatusOf(e *fault.Error) int {
	if e.Reason == errorsv1.Reason_REASON_BUDGET_EXHAUSTED {
		return statusBilling
	}
	return e.HTTPStatus()
}

// ErrorFrame writes an error as the last frame of a stream.
func ErrorFrame(e *fault.Error, requestID string) []byte {
	return sse.Append(nil, "error", ErrorBody(e, requestID))
}

// Heartbeat is a ping event, as Anthropic sends them.
func Heartbeat() []byte { return []byte("event: ping\ndata: {\"type\": \"ping\"}\n\n") }

// typeOf is the error type that goes with a status.
func typeOf(status int) string {
	switch status {
	case 401:
		return "authentication_error"
	case 402:
		return "billing_error"
	case 403:
		return "permission_error"
	case 404:
		return "not_found_error"
	case 409:
		return "conflict_error"
	case 413:
		return "request_too_large"
	case 429:
		return "rate_limit_error"
	case 504:
		return "timeout_error"
	case 503, 529:
		return "overloaded_error"
	}
	if status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}

// statusOf is the HTTP status that an error type stands for, within a stream whose own status is 200.
func statusOf(errorType string) int {
	switch errorType {
	case "invalid_request_error":
		return 400
	case "authentication_error":
		return 401
	case "billing_error":
		return 402
	case "permission_error":
		return 403
	case "not_found_error":
		return 404
	case "conflict_error":
		return 409
	case "request_too_large":
		return 413
	case "rate_limit_error":
		return 429
	case "timeout_error":
		return 504
	case "overloaded_error":
		return 529
	}
	return 500
}

// IsError reports whether a body has the shape of an Anthropic error, which a client's SDK understands as it is.
func IsError(body []byte) bool {
	kind, _ := rawjson.Unquote(rawjson.Get(body, "type"))
	return rawjson.Check(body, dialect.MaxDepth) == nil && string(kind) == "error" && rawjson.Kind(rawjson.Get(body, "error")) == 'o'
}

// ErrorStatus is the HTTP status that an error body would have come with, by the type of its error: where an error stands
// within something that went well, it has none of its own.
func ErrorStatus(body []byte) int {
	kind, _ := rawjson.Unquote(rawjson.Get(rawjson.Get(body, "error"), "type"))
	return statusOf(string(kind))
}
