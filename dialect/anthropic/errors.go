package anthropic

import (
	"encoding/json"
	"net/http"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	"github.com/headgate-mesh/headgate/kit/fault"
)

type errorBody struct {
	Type      string      `json:"type"`
	Error     errorObject `json:"error"`
	RequestID string      `json:"request_id,omitempty"`
}

type errorObject struct {
	Type    string            `json:"type"`
	Message string            `json:"message"`
	Details map[string]string `json:"details,omitempty"`
}

// ErrorBody writes an error of Headgate as Anthropic's error object; details.error_code is the reason, details.field the
// field it is about.
func ErrorBody(e *fault.Error, requestID string) []byte {
	details := map[string]string{"error_code": fault.Code(e.Reason)}
	if field := e.Metadata["field"]; field != "" {
		details["field"] = field
	}
	body, err := json.Marshal(errorBody{
		Type:      "error",
		Error:     errorObject{Type: typeOf(e.HTTPStatus()), Message: e.Message, Details: details},
		RequestID: requestID,
	})
	if err != nil {
		return []byte(`{"type":"error","error":{"type":"api_error","message":"an error that can't be written"}}`)
	}
	return body
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
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusConflict:
		return "conflict_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	case http.StatusServiceUnavailable, 529:
		return "overloaded_error"
	}
	if status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}

// statusOf is the HTTP status that an error type stands for, within a stream whose own status is 200.
func statusOf(errorType string) int {
	switch errorType {
	case "invalid_request_error":
		return http.StatusBadRequest
	case "authentication_error":
		return http.StatusUnauthorized
	case "billing_error":
		return http.StatusPaymentRequired
	case "permission_error":
		return http.StatusForbidden
	case "not_found_error":
		return http.StatusNotFound
	case "conflict_error":
		return http.StatusConflict
	case "request_too_large":
		return http.StatusRequestEntityTooLarge
	case "rate_limit_error":
		return http.StatusTooManyRequests
	case "timeout_error":
		return http.StatusGatewayTimeout
	case "overloaded_error":
		return 529
	}
	return http.StatusInternalServerError
}

// IsError reports whether a body has the shape of an Anthropic error, which a client's SDK understands as it is.
func IsError(body []byte) bool {
	kind, _ := rawjson.Unquote(rawjson.Get(body, "type"))
	return rawjson.Check(body, dialect.MaxDepth) == nil && string(kind) == "error" && rawjson.Kind(rawjson.Get(body, "error")) == 'o'
}
