package adapter_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

func TestSubmitFiles(t *testing.T) {
	t.Parallel()
	v, b := newVendor(t, "openai")
	d := chatJob()
	d.Headers = []*routerv1.Header{{Name: "openai-beta", Value: "x=1"}, {Name: "authorization", Value: "Bearer theirs"}}
	job, err := b.Submit(t.Context(), d, lines(`{"model":"m","n":1}`, "{\"model\":\"m\",\r\n\"n\":2}"))
	if err != nil || job.GetUpstreamId() != "batch_1" || job.GetProvider() != "p" || job.GetCredential() == "" {
		t.Fatalf("%v, %v", job, err)
	}
	want := []string{
		`{"custom_id":"job-1","method":"POST","url":"/v1/chat/completions","body":{"model":"m","n":1}}`,
		`{"custom_id":"job-2","method":"POST","url":"/v1/chat/completions","body":{"model":"m",  "n":2}}`,
	}
	for i, line := range v.lines {
		if string(line) != want[i] {
			t.Errorf("line %s, want %s", line, want[i])
		}
	}
	if len(v.lines) != 2 || v.form["purpose"] != "batch" || v.form["filename"] != "job.jsonl" ||
		v.form["expires_after[anchor]"] != "created_at" || v.form["expires_after[seconds]"] != "1209600" {
		t.Errorf("%d lines, form %v", len(v.lines), v.form)
	}
	const batch = "map[completion_window:24h endpoint:/v1/chat/completions input_file_id:file-1 metadata:map[headgate_job:job] " +
		"output_expires_after:map[anchor:created_at seconds:1.2096e+06]]"
	if got := fmt.Sprint(v.batch); got != batch {
		t.Errorf("batch %s", got)
	}
	if v.header.Get("OpenAI-Beta") != "x=1" || v.header.Get("Authorization") != "Bearer "+ownKey {
		t.Errorf("headers %v", v.header)
	}
	if strings.Contains(fmt.Sprint(job), ownKey) {
		t.Error("the reference holds the key")
	}
}

func TestSubmitEmbeddings(t *testing.T) {
	t.Parallel()
	v, b := newVendor(t, "openai")
	d := chatJob()
	d.Operation = routerv1.Operation_OPERATION_EMBED
	if _, err := b.Submit(t.Context(), d, lines(`{"input":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if line := string(v.lines[0]); !strings.Contains(line, `"url":"/v1/embeddings"`) || v.batch["endpoint"] != "/v1/embeddings" {
		t.Errorf("%s, %v", line, v.batch)
	}
	if l := b.Limits(d.GetOperation()); l.GetInputs() != 50_000 || l.GetLines() != 50_000 || !l.GetOneModel() || l.GetBytes() > 200_000_000 {
		t.Errorf("limits %v", l)
	}
}

func TestSubmitMessages(t *testing.T) {
	t.Parallel()
	v, b := newVendor(t, "anthropic")
	d := chatJob()
	d.Headers = []*routerv1.Header{{Name: "anthropic-beta", Value: "b-1"}, {Name: "x-api-key", Value: "theirs"}}
	job, err := b.Submit(t.Context(), d, lines(`{"model":"m"}`, `{"model":"n"}`))
	if err != nil || job.GetUpstreamId() != "msgbatch_1" {
		t.Fatalf("%v, %v", job, err)
	}
	if got := string(v.lines[0]) + string(v.lines[1]); got != `{"custom_id":"job-1","params":{"model":"m"}}{"custom_id":"job-2","params":{"model":"n"}}` {
		t.Error(got)
	}
	h := v.header
	if h.Get("Anthropic-Beta") != "b-1" || h.Get("Anthropic-Version") != "2023-06-01" || h.Get("X-Api-Key") != ownKey || h.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", h)
	}
	if l := b.Limits(d.GetOperation()); l.GetLines() != 100_000 || l.GetOneModel() || l.GetBytes() > 256_000_000 {
		t.Errorf("limits %v", l)
	}
}

// TestSubmitRefused: what isn't sent, or is refused for good, is told from what may have been made.
func TestSubmitRefused(t *testing.T) {
	t.Parallel()
	const no, unknown = provider.SubmittedNo, provider.SubmittedUnknown
	broken := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"error":{"message":"no `+ownKey+`","type":"x"}}`)
		}
	}
	for name, test := range map[string]struct {
		answer    http.HandlerFunc
		lines     []string
		reason    errorsv1.Reason
		submitted string
	}{
		"bad request":    {status(400), nil, errorsv1.Reason_REASON_PROVIDER_ERROR, no},
		"too large":      {status(413), nil, errorsv1.Reason_REASON_PROVIDER_ERROR, no},
		"conflict":       {status(409), nil, errorsv1.Reason_REASON_PROVIDER_ERROR, unknown},
		"limited":        {status(429), nil, errorsv1.Reason_REASON_PROVIDER_ERROR, no},
		"timed out":      {status(408), nil, errorsv1.Reason_REASON_PROVIDER_ERROR, unknown},
		"failing":        {status(500), nil, errorsv1.Reason_REASON_PROVIDER_ERROR, unknown},
		"overloaded":     {status(529), nil, errorsv1.Reason_REASON_PROVIDER_ERROR, no},
		"unauthorized":   {status(401), nil, errorsv1.Reason_REASON_PROVIDER_CREDENTIALS, no},
		"redirect":       {status(302), nil, errorsv1.Reason_REASON_PROVIDER_MALFORMED, unknown},
		"broken":         {broken, nil, errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, unknown},
		"not JSON":       {answering(200, "text/html", "<html>"), nil, errorsv1.Reason_REASON_PROVIDER_MALFORMED, unknown},
		"a path for id":  {answering(200, "application/json", `{"id":"../../x"}`), nil, errorsv1.Reason_REASON_PROVIDER_MALFORMED, unknown},
		"no lines":       {nil, []string{}, errorsv1.Reason_REASON_MISSING_FIELD, no},
		"a line of junk": {nil, []string{`{"a":`}, errorsv1.Reason_REASON_INVALID_FIELD, no},
		"a bare line":    {nil, []string{`7`}, errorsv1.Reason_REASON_INVALID_FIELD, no},
	} {
		for kind, path := range map[string]string{"openai": "POST /files", "anthropic": "POST /v1/messages/batches"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				v, b := newVendor(t, kind)
				if test.answer != nil {
					v.answer(path, test.answer)
				} else {
					v.answer(path, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
				}
				bodies := test.lines
				if bodies == nil {
					bodies = []string{`{"model":"m"}`}
				}
				job, err := b.Submit(t.Context(), chatJob(), lines(bodies...))
				f := fault.From(provider.Unsubmitted(err))
				want := test.submitted
				if kind == "openai" {
					want = no // a file is no batch
				}
				if err == nil || f.Reason != test.reason || f.Metadata[provider.Submitted] != want || strings.Contains(f.Error(), ownKey) {
					t.Errorf("%v, %v, %v", job, err, f.Metadata)
				}
				if f.Reason == errorsv1.Reason_REASON_PROVIDER_ERROR && (f.RetryAfter != 7*time.Second || f.Metadata["http_status"] == "") {
					t.Errorf("%v after %s", f.Metadata, f.RetryAfter)
				}
			})
		}
	}
}

// TestSubmitRefusedAfterUpload: a file that no batch is made of is taken back, but only where that is certain.
func TestSubmitRefusedAfterUpload(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{400: provider.SubmittedNo, 429: provider.SubmittedNo, 529: provider.SubmittedNo, 409: provider.SubmittedUnknown, 500: provider.SubmittedUnknown} {
		v, b := newVendor(t, "openai")
		v.says("POST /batches", status, `{"error":{"message":"no"}}`)
		v.says("DELETE /files/file-1", 200, `{}`)
		_, err := b.Submit(t.Context(), chatJob(), lines(`{}`))
		err = provider.Unsubmitted(err)
		gone := slices.Contains(v.asked(), "DELETE /files/file-1 "+ownKey)
		if fault.From(err).Metadata[provider.Submitted] != want || gone != (want == provider.SubmittedNo) {
			t.Errorf("%d: %v, %v", status, err, v.asked())
		}
	}
}

// TestSubmitNowhere: where there was no connection, nothing was made.
func TestSubmitNowhere(t *testing.T) {
	t.Parallel()
	for kind, build := range builders {
		p, err := build(adapter.Config{Name: "p", BaseURLs: []string{"http://127.0.0.1:1"}, Key: "k", Connect: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		_, err = p.Batch().Submit(t.Context(), chatJob(), lines(`{}`))
		f := fault.From(provider.Unsubmitted(err))
		if f.Reason != errorsv1.Reason_REASON_PROVIDER_UNREACHABLE || f.Metadata[provider.Submitted] != provider.SubmittedNo {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestSubmitWithinLimits: what is too large is refused while it is sent.
func TestSubmitWithinLimits(t *testing.T) {
	t.Parallel()
	for kind, most := range map[string]int{"openai": 50_000, "anthropic": 100_000} {
		v, b := newVendor(t, kind)
		v.answer("POST /v1/messages/batches", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		n := 0
		_, err := b.Submit(t.Context(), chatJob(), func() (*routerv1.JobLine, error) {
			n++
			return &routerv1.JobLine{Id: "x", Body: []byte(`{}`)}, nil
		})
		if f := fault.From(err); f == nil || f.Reason != errorsv1.Reason_REASON_REQUEST_TOO_LARGE || n != most+1 {
			t.Errorf("%s: %v after %d", kind, err, n)
		}
	}
}

// TestSubmitStreams: a job of 100 MB is never in memory as a whole.
func TestSubmitStreams(t *testing.T) { //nolint:paralleltest // it measures the heap
	count := 1000
	if raceDetector {
		count = 50
	}
	for kind, path := range map[string]string{"openai": "POST /files", "anthropic": "POST /v1/messages/batches"} {
		v, b := newVendor(t, kind)
		var size int64
		v.answer(path, func(w http.ResponseWriter, r *http.Request) {
			size, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `{"id":"x_1"}`)
		})
		body := []byte(`{"model":"m","input":"` + strings.Repeat("x", 100_000) + `"}`)
		var before, peak runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		n := 0
		start := time.Now()
		_, err := b.Submit(t.Context(), chatJob(), func() (*routerv1.JobLine, error) {
			if n++; n > count {
				return nil, io.EOF
			}
			if n%(count/10) == 0 {
				runtime.ReadMemStats(&peak)
			}
			return &routerv1.JobLine{Id: fmt.Sprintf("job-%d", n), Body: slices.Clone(body)}, nil
		})
		grown := int64(peak.HeapAlloc) - int64(before.HeapAlloc) //nolint:gosec // far below
		if err != nil || size < int64(count)*100_000 || grown > 20<<20 {
			t.Errorf("%s: %v, %d bytes sent, the heap grew by %d", kind, err, size, grown)
		}
		t.Logf("%s: %d MB in %s, the heap grew by %d KB", kind, size>>20, time.Since(start).Round(time.Millisecond), grown>>10)
	}
}

// TestSubmitEnds with its caller, whoever is slow.
func TestSubmitEnds(t *testing.T) {
	t.Parallel()
	v, b := newVendor(t, "anthropic")
	ctx, cancel := context.WithCancel(t.Context())
	v.answer("POST /v1/messages/batches", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		_, _ = io.Copy(io.Discard, r.Body)
	})
	_, err := b.Submit(ctx, chatJob(), func() (*routerv1.JobLine, error) {
		return &routerv1.JobLine{Id: "x", Body: []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`)}, nil
	})
	if f := fault.From(provider.Unsubmitted(err)); f.Reason != errorsv1.Reason_REASON_CANCELLED || f.Metadata[provider.Submitted] != provider.SubmittedUnknown {
		t.Errorf("%v", err)
	}
}

// TestSubmitAnsweredEarly: a refusal doesn't wait for the lines that are still to come.
func TestSubmitAnsweredEarly(t *testing.T) {
	t.Parallel()
	v, b := newVendor(t, "anthropic")
	v.says("POST /v1/messages/batches", http.StatusBadRequest, `{"type":"error","error":{"type":"invalid_request_error","message":"no"}}`)
	more := make(chan struct{})
	defer close(more)
	n := 0
	_, err := b.Submit(t.Context(), chatJob(), func() (*routerv1.JobLine, error) {
		if n++; n > 1 {
			<-more
			return nil, io.EOF
		}
		return &routerv1.JobLine{Id: "x", Body: []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`)}, nil
	})
	if !provider.Refused(err) {
		t.Errorf("%v", err)
	}
}

// TestJobKeys: a job is asked about under the key that made it, and under another one where that is gone.
func TestJobKeys(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mark func(*routerv1.JobReference) string
		want string
	}{
		"its own": {(*routerv1.JobReference).GetCredential, "first"},
		"unknown": {func(*routerv1.JobReference) string { return "0123456789abcdef" }, "second"},
		"none":    {func(*routerv1.JobReference) string { return "" }, "second"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, b := newVendor(t, "openai", "first", "second")
			job, err := b.Submit(t.Context(), chatJob(), lines(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			v.says("GET /batches/other", 401, `{}`) // the first one rests now
			_, _ = b.Get(t.Context(), &routerv1.JobReference{UpstreamId: "other"})
			v.says("GET /batches/batch_1", 200, `{"id":"batch_1","status":"in_progress"}`)
			job.Credential = test.mark(job)
			if _, err := b.Get(t.Context(), job); err != nil || !slices.Contains(v.asked(), "GET /batches/batch_1 "+test.want) {
				t.Errorf("%v, %v", err, v.asked())
			}
		})
	}
}

func TestGetJob(t *testing.T) {
	t.Parallel()
	const running, ended, refused, unknown = routerv1.JobState_JOB_STATE_RUNNING, routerv1.JobState_JOB_STATE_ENDED,
		routerv1.JobState_JOB_STATE_REFUSED, routerv1.JobState_JOB_STATE_UNKNOWN
	for _, test := range []struct {
		name, kind, path string
		status           int
		body             string
		state            routerv1.JobState
		done             int64
		message          string
	}{
		{"validating", "openai", "/batches/j", 200, `{"status":"validating","output_file_id":null,"errors":null}`, running, 0, ""},
		{"counting", "openai", "/batches/j", 200, `{"status":"in_progress","request_counts":{"total":9,"completed":3,"failed":1}}`, running, 4, ""},
		{"cancelling", "openai", "/batches/j", 200, `{"status":"cancelling"}`, running, 0, ""},
		{"of the future", "openai", "/batches/j", 200, `{"status":"pondering"}`, running, 0, ""},
		{"completed", "openai", "/batches/j", 200, `{"status":"completed","request_counts":{"completed":2}}`, ended, 2, ""},
		{"expired", "openai", "/batches/j", 200, `{"status":"expired"}`, ended, 0, ""},
		{"cancelled", "openai", "/batches/j", 200, `{"status":"cancelled"}`, ended, 0, ""},
		{"failed", "openai", "/batches/j", 200, `{"status":"failed","errors":{"data":[{"code":"c","message":"bad ` + ownKey + `","line":4},{"message":"worse"}]}}`, refused, 0, "line 4: bad [redacted]; worse"},
		{"failed in silence", "openai", "/batches/j", 200, `{"status":"failed"}`, refused, 0, "the provider gave no reason"},
		{"gone", "openai", "/batches/j", 404, `{"error":{"message":"no such batch"}}`, unknown, 0, ""},
		{"in progress", "anthropic", "/v1/messages/batches/j", 200, `{"processing_status":"in_progress","request_counts":{"processing":9}}`, running, 0, ""},
		{"canceling", "anthropic", "/v1/messages/batches/j", 200, `{"processing_status":"canceling"}`, running, 0, ""},
		{"over", "anthropic", "/v1/messages/batches/j", 200, `{"processing_status":"ended","request_counts":{"succeeded":2,"errored":1,"canceled":1,"expired":1}}`, ended, 5, ""},
		{"gone there", "anthropic", "/v1/messages/batches/j", 404, `{}`, unknown, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v, b := newVendor(t, test.kind)
			v.says("GET "+test.path, test.status, test.body)
			got, err := b.Get(t.Context(), &routerv1.JobReference{UpstreamId: "j"})
			if err != nil || got.GetState() != test.state || got.GetDone() != test.done || got.GetMessage() != test.message {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestCancelJob(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		status, later  int
		state          string
		reason         errorsv1.Reason
		openai, claude bool
	}{
		{"taken", 200, 0, "", 0, true, true},
		{"ended already", 400, 200, "completed", 0, true, false},
		{"ended already there", 400, 200, "ended", 0, false, true},
		{"conflict, running", 409, 200, "in_progress", errorsv1.Reason_REASON_PROVIDER_ERROR, true, true},
		{"unknown", 404, 404, "", 0, true, true},
		{"limited", 429, 200, "completed", errorsv1.Reason_REASON_PROVIDER_ERROR, true, true},
		{"failing", 500, 200, "completed", errorsv1.Reason_REASON_PROVIDER_ERROR, true, true},
		{"refused", 403, 200, "completed", errorsv1.Reason_REASON_PROVIDER_CREDENTIALS, true, true},
	} {
		for kind, path := range map[string]string{"openai": "/batches/j", "anthropic": "/v1/messages/batches/j"} {
			if kind == "openai" && !test.openai || kind == "anthropic" && !test.claude {
				continue
			}
			v, b := newVendor(t, kind)
			v.says("POST "+path+"/cancel", test.status, `{}`)
			if test.later != 0 {
				v.says("GET "+path, test.later, `{"status":"`+test.state+`","processing_status":"`+test.state+`"}`)
			}
			err := b.Cancel(t.Context(), &routerv1.JobReference{UpstreamId: "j"})
			if (test.reason == 0) != (err == nil) || err != nil && fault.From(err).Reason != test.reason {
				t.Errorf("%s, %s: %v", kind, test.name, err)
			}
		}
	}
}
