package adapter_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

var errStop = errors.New("enough")

func job() *routerv1.JobReference { return &routerv1.JobReference{UpstreamId: "j"} }

func TestFileResults(t *testing.T) {
	t.Parallel()
	v, b := newVendor(t, "openai")
	v.says("GET /batches/j", 200, `{"status":"expired","output_file_id":"out","error_file_id":"err","request_counts":{"total":6,"completed":1,"failed":2}}`)
	v.says("GET /files/out/content", 200, `{"id":"x","custom_id":"a","response":{"status_code":200,"request_id":"r1","body":{"n": 1}},"error":null}`+"\n")
	v.says("GET /files/err/content", 200, strings.Join([]string{
		`{"custom_id":"b","response":{"status_code":400,"request_id":"r2","body":{"error":{"message":"bad ` + ownKey + `"}}},"error":null}`,
		`{"custom_id":"c","response":null,"error":{"code":"batch_expired","message":"late"}}`,
		``,
		`{"custom_id":"d","response":null,"error":{"code":"batch_cancelled","message":"stopped"}}`,
		`{"custom_id":"e","response":null,"error":{"code":"server_error","message":"broke ` + ownKey + `"}}`,
		`{"custom_id":"f","response":null,"error":null}`,
	}, "\n"))
	var got []string
	if err := b.Results(t.Context(), job(), collect(&got)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`a 1 200 {"n": 1}`,
		`b 1 400 {"error":{"message":"bad [redacted]"}}`,
		`c 3 0 `,
		`d 2 0 `,
		`e 1 500 {"error":{"message":"broke [redacted]","type":"server_error","param":null,"code":"server_error"}}`,
		`f 1 500 {"error":{"message":"the provider gave neither an answer nor an error","type":"server_error","param":null,"code":"PROVIDER_ERROR"}}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

func TestMessageResults(t *testing.T) {
	t.Parallel()
	v, b := newVendor(t, "anthropic")
	v.says("GET /v1/messages/batches/j", 200, `{"processing_status":"ended","results_url":"http://169.254.169.254/x","request_counts":{"succeeded":1,"errored":2,"canceled":1,"expired":1}}`)
	v.says("GET /v1/messages/batches/j/results", 200, strings.Join([]string{
		`{"custom_id":"a","result":{"type":"succeeded","message":{"type":"message"}}}`,
		`{"custom_id":"b","result":{"type":"errored","error":{"type":"error","error":{"type":"invalid_request_error","message":"bad ` + ownKey + `"},"request_id":"r9"}}}`,
		`{"custom_id":"c","result":{"type":"errored","error":{"type":"error","error":{"type":"overloaded_error","message":"busy"}}}}`,
		`{"custom_id":"d","result":{"type":"canceled"}}`,
		`{"custom_id":"e","result":{"type":"expired"}}`,
	}, "\n")+"\n")
	var got []string
	if err := b.Results(t.Context(), job(), collect(&got)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`a 1 200 {"type":"message"}`,
		`b 1 400 {"type":"error","error":{"type":"invalid_request_error","message":"bad [redacted]"},"request_id":"r9"}`,
		`c 1 529 {"type":"error","error":{"type":"overloaded_error","message":"busy"}}`,
		`d 2 0 `,
		`e 3 0 `,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// TestResultsCutShort: an end short of the end is never a quiet one.
func TestResultsCutShort(t *testing.T) {
	t.Parallel()
	const openLine = `{"custom_id":"a","response":{"status_code":200,"body":{}},"error":null}`
	const claudeLine = `{"custom_id":"a","result":{"type":"canceled"}}`
	declared := func(line string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, line+"\n")
		}
	}
	chunked := func(line string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, line+"\n")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	for name, test := range map[string]struct {
		answer func(line string) http.HandlerFunc
		reason errorsv1.Reason
	}{
		"fewer lines":       {func(l string) http.HandlerFunc { return answering(200, "", l+"\n") }, errorsv1.Reason_REASON_STREAM_TRUNCATED},
		"half a line":       {func(l string) http.HandlerFunc { return answering(200, "", l+"\n"+l[:20]) }, errorsv1.Reason_REASON_STREAM_TRUNCATED},
		"less than it said": {declared, errorsv1.Reason_REASON_STREAM_TRUNCATED},
		"broken chunks":     {chunked, errorsv1.Reason_REASON_STREAM_TRUNCATED},
		"nothing":           {func(string) http.HandlerFunc { return answering(200, "", "") }, errorsv1.Reason_REASON_STREAM_TRUNCATED},
		"a page":            {func(string) http.HandlerFunc { return answering(200, "text/html", "<html>\n</html>") }, errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"too long a line":   {func(string) http.HandlerFunc { return answering(200, "", strings.Repeat("x", 33<<20)) }, errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"failing":           {func(string) http.HandlerFunc { return answering(503, "", `{}`) }, errorsv1.Reason_REASON_PROVIDER_ERROR},
		"gone":              {func(string) http.HandlerFunc { return answering(404, "", `{}`) }, errorsv1.Reason_REASON_NOT_FOUND},
		"refused":           {func(string) http.HandlerFunc { return answering(401, "", `{}`) }, errorsv1.Reason_REASON_PROVIDER_CREDENTIALS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, b := newVendor(t, "openai")
			v.says("GET /batches/j", 200, `{"status":"completed","output_file_id":"out","request_counts":{"completed":2}}`)
			v.answer("GET /files/out/content", test.answer(openLine))
			var got []string
			if err := b.Results(t.Context(), job(), collect(&got)); err == nil || fault.From(err).Reason != test.reason {
				t.Errorf("openai: %v", err)
			}
			v, b = newVendor(t, "anthropic")
			v.says("GET /v1/messages/batches/j", 200, `{"processing_status":"ended","request_counts":{"canceled":2}}`)
			v.answer("GET /v1/messages/batches/j/results", test.answer(claudeLine))
			if err := b.Results(t.Context(), job(), collect(&got)); err == nil || fault.From(err).Reason != test.reason {
				t.Errorf("anthropic: %v", err)
			}
		})
	}
}

func TestResultsOfNone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind, path string
		status     int
		body       string
		reason     errorsv1.Reason
	}{
		{"openai", "GET /batches/j", 200, `{"status":"in_progress"}`, errorsv1.Reason_REASON_UNSUPPORTED},
		{"openai", "GET /batches/j", 404, `{}`, errorsv1.Reason_REASON_NOT_FOUND},
		{"openai", "GET /batches/j", 200, `{"status":"completed","output_file_id":"../x"}`, errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		{"openai", "GET /batches/j", 200, `{"status":"completed","request_counts":{"completed":1}}`, errorsv1.Reason_REASON_STREAM_TRUNCATED},
		{"anthropic", "GET /v1/messages/batches/j", 200, `{"processing_status":"canceling"}`, errorsv1.Reason_REASON_UNSUPPORTED},
		{"anthropic", "GET /v1/messages/batches/j", 404, `{}`, errorsv1.Reason_REASON_NOT_FOUND},
	} {
		v, b := newVendor(t, test.kind)
		v.says(test.path, test.status, test.body)
		var got []string
		if err := b.Results(t.Context(), job(), collect(&got)); fault.From(err).Reason != test.reason || got != nil {
			t.Errorf("%s, %s: %v", test.kind, test.body, err)
		}
	}
}

// TestResultsEndWithTheirReader: nothing is read once nobody takes it.
func TestResultsEndWithTheirReader(t *testing.T) {
	t.Parallel()
	v, b := newVendor(t, "anthropic")
	v.says("GET /v1/messages/batches/j", 200, `{"processing_status":"ended","request_counts":{"canceled":2}}`)
	v.says("GET /v1/messages/batches/j/results", 200, strings.Repeat(`{"custom_id":"a","result":{"type":"canceled"}}`+"\n", 2))
	n := 0
	err := b.Results(t.Context(), job(), func(*routerv1.JobResult) error { n++; return errStop })
	if !errors.Is(err, errStop) || n != 1 {
		t.Errorf("%v after %d", err, n)
	}
}
