package anthropic_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/dialect/anthropic"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// TestErrorsOfOtherVendors: a client of this dialect reads the type that goes with the status, whoever gave it.
func TestErrorsOfOtherVendors(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
		409: "conflict_error", 413: "request_too_large", 422: "invalid_request_error", 429: "rate_limit_error",
		500: "api_error", 502: "api_error", 503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
	} {
		e := fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "m").With("http_status", strconv.Itoa(status)).With("provider_code", "insufficient_quota")
		body := anthropic.ErrorBody(e, "req_1")
		var got struct {
			Type  string
			Error struct{ Type, Message string }
		}
		if err := json.Unmarshal(body, &got); err != nil || got.Type != "error" || got.Error.Type != want || got.Error.Message != "m" || !anthropic.IsError(body) {
			t.Errorf("%d: %s", status, body)
		}
	}
}

// TestErrorsOfBudgets: nobody repeats a 402, which a 429 would be, for hours.
func TestErrorsOfBudgets(t *testing.T) {
	t.Parallel()
	e := fault.New(errorsv1.Reason_REASON_BUDGET_EXHAUSTED, "m").After(time.Hour)
	const want = `{"type":"error","error":{"type":"billing_error","message":"m","details":{"error_code":"BUDGET_EXHAUSTED"}},"request_id":"r"}`
	if got := string(anthropic.ErrorBody(e, "r")); got != want || anthropic.StatusOf(e) != 402 {
		t.Errorf("%d: %s", anthropic.StatusOf(e), got)
	}
	if got := string(anthropic.ErrorFrame(e, "r")); got != "event: error\ndata: "+want+"\n\n" {
		t.Errorf("%q", got)
	}
	if n := anthropic.StatusOf(fault.New(errorsv1.Reason_REASON_RATE_LIMITED, "m")); n != 429 {
		t.Errorf("any other limit is %d", n)
	}
}

// TestThreadsAreDeclined: the SDKs' tool runners leave the conversation with the server, and send it themselves where the
// server says in these words that it can't hold it.
func TestThreadsAreDeclined(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{"thread": "thread_unsupported_request", "thread.type": "thread_unsupported_request", "container": "UNSUPPORTED"} {
		var got struct {
			Error struct {
				Details struct {
					Code        string `json:"error_code"`
					Field       string
					Unsupported []string
				}
			}
		}
		body := anthropic.ErrorBody(fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "m").With("field", field), "req_1")
		d := &got.Error.Details
		if err := json.Unmarshal(body, &got); err != nil || d.Code != want || d.Field != field || (len(d.Unsupported) == 1) != (want != "UNSUPPORTED") {
			t.Errorf("%s: %s", field, body)
		}
	}
}

// TestErrorStatus: an error within something that went well has the status of its type.
func TestErrorStatus(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`{"type":"error","error":{"type":"rate_limit_error","message":"m"}}`: 429,
		`{"type":"error","error":{"type":"not_found_error"}}`:                404,
		`{"type":"error","error":{"type":"of the future"}}`:                  500,
		`{"error":"text"}`: 500,
		``:                 500,
	} {
		if got := anthropic.ErrorStatus([]byte(body)); got != want {
			t.Errorf("%s: %d", body, got)
		}
	}
}
