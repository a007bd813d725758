package jobs_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/jobs"
)

func description() *routerv1.JobDescription {
	return &routerv1.JobDescription{JobId: "job", Provider: "p", Operation: chat, Sensitivity: llmv1.Sensitivity_SENSITIVITY_LOW}
}

// TestJob: a job goes there, is asked about, stopped, and comes back.
func TestJob(t *testing.T) {
	t.Parallel()
	var sent string
	m := newMesh(t, "anthropic", nil, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "POST /v1/messages/batches":
			body, _ := io.ReadAll(r.Body)
			sent = string(body)
			_, _ = io.WriteString(w, `{"id":"msgbatch_1"}`)
		case "GET /v1/messages/batches/msgbatch_1":
			_, _ = io.WriteString(w, `{"processing_status":"ended","request_counts":{"succeeded":300}}`)
		case "GET /v1/messages/batches/msgbatch_1/results":
			_, _ = io.WriteString(w, strings.Repeat(`{"custom_id":"a","result":{"type":"succeeded","message":{"type":"message"}}}`+"\n", 300))
		case "POST /v1/messages/batches/msgbatch_1/cancel":
			_, _ = io.WriteString(w, `{}`)
		case "GET /v1/messages/batches":
			_, _ = io.WriteString(w, `{"data":[]}`)
		}
	})
	s := &submission{ctx: caller(t), parts: []*routerv1.SubmitJobRequest{described(description()), carrying(`{"a":1}`, `{"a":2}`), carrying(), carrying(`{"a":3}`)}}
	if err := m.jobs.SubmitJob(s); err != nil {
		t.Fatal(err)
	}
	if strings.Count(sent, "custom_id") != 3 || s.got.GetJob().GetUpstreamId() != "msgbatch_1" {
		t.Errorf("%s, %v", sent, s.got)
	}
	job := s.got.GetJob()
	if got, err := m.jobs.GetJob(caller(t), &routerv1.GetJobRequest{Job: job}); err != nil || got.GetState() != routerv1.JobState_JOB_STATE_ENDED || got.GetDone() != 300 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := m.jobs.CancelJob(caller(t), &routerv1.CancelJobRequest{Job: job}); err != nil {
		t.Error(err)
	}
	if got, err := m.jobs.FindJob(caller(t), &routerv1.FindJobRequest{Description: description(), Lines: 3, SubmittedAt: timestamppb.Now()}); err != nil || got.GetJob() != nil {
		t.Errorf("%v, %v", got, err)
	}
	r := &reception{ctx: caller(t)}
	if err := m.jobs.StreamJobResults(&routerv1.StreamJobResultsRequest{Job: job}, r); err != nil || len(r.got) != 2 || len(r.got[0].GetResults()) != 200 || len(r.got[1].GetResults()) != 100 {
		t.Errorf("%v, %d messages", err, len(r.got))
	}
	if n, attempts, failures := m.provider.Stats().Read(); n != 0 || attempts != 5 || failures != 0 {
		t.Errorf("%d under way, %d made, %d failed", n, attempts, failures)
	}
}

// TestResultsBeforeAFailure: what came before it isn't lost.
func TestResultsBeforeAFailure(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "anthropic", nil, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/results") {
			_, _ = io.WriteString(w, `{"custom_id":"a","result":{"type":"expired"}}`+"\n")
			return
		}
		_, _ = io.WriteString(w, `{"processing_status":"ended","request_counts":{"expired":2}}`)
	})
	r := &reception{ctx: caller(t)}
	err := m.jobs.StreamJobResults(&routerv1.StreamJobResultsRequest{Job: &routerv1.JobReference{Provider: "p", UpstreamId: "j"}}, r)
	if fault.From(err).Reason != errorsv1.Reason_REASON_STREAM_TRUNCATED || len(r.got) != 1 {
		t.Errorf("%v, %d messages", err, len(r.got))
	}
}

func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	high, elsewhere := description(), description()
	high.Sensitivity, elsewhere.Provider = llmv1.Sensitivity_SENSITIVITY_HIGH, "gone"
	for _, test := range []struct {
		name   string
		kind   string
		parts  []*routerv1.SubmitJobRequest
		reason errorsv1.Reason
	}{
		{"no trust", "openai", []*routerv1.SubmitJobRequest{described(high), carrying(`{}`)}, errorsv1.Reason_REASON_SENSITIVITY},
		{"no such provider", "openai", []*routerv1.SubmitJobRequest{described(elsewhere), carrying(`{}`)}, errorsv1.Reason_REASON_NOT_FOUND},
		{"no batch API", "openai_compatible", []*routerv1.SubmitJobRequest{described(description()), carrying(`{}`)}, errorsv1.Reason_REASON_NOT_FOUND},
		{"lines first", "openai", []*routerv1.SubmitJobRequest{carrying(`{}`)}, errorsv1.Reason_REASON_INVALID_FIELD},
		{"described twice", "anthropic", []*routerv1.SubmitJobRequest{described(description()), described(description())}, errorsv1.Reason_REASON_INVALID_FIELD},
		{"no lines", "anthropic", []*routerv1.SubmitJobRequest{described(description())}, errorsv1.Reason_REASON_MISSING_FIELD},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, test.kind, nil, func(_ http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); err == nil {
					t.Errorf("the provider got %q", body)
				}
			})
			err := m.jobs.SubmitJob(&submission{ctx: caller(t), parts: test.parts})
			if f := fault.From(err); f == nil || f.Reason != test.reason || f.Metadata["submitted"] != "no" {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestTurnedOff: jobs that are there are seen to their end.
func TestTurnedOff(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "anthropic", func(c *adapter.Config) { c.BatchOff = true }, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"processing_status":"ended"}`)
	})
	got, err := m.jobs.GetJob(caller(t), &routerv1.GetJobRequest{Job: &routerv1.JobReference{Provider: "p", UpstreamId: "j"}})
	if err != nil || got.GetState() != routerv1.JobState_JOB_STATE_ENDED {
		t.Errorf("%v, %v", got, err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	described := func(change func(*routerv1.JobDescription)) *routerv1.SubmitJobRequest {
		d := description()
		change(d)
		return described(d)
	}
	line := func(change func(*routerv1.FinishLineRequest)) proto.Message {
		r := finished(openAI, chat, "m", 200, "{}")
		change(r)
		return r
	}
	for _, test := range []struct {
		name  string
		m     proto.Message
		field string
	}{
		{"a description", described(func(*routerv1.JobDescription) {}), ""},
		{"lines", carrying(`{}`), ""},
		{"no part", &routerv1.SubmitJobRequest{}, "part"},
		{"no job id", described(func(d *routerv1.JobDescription) { d.JobId = "" }), "description.job_id"},
		{"an odd job id", described(func(d *routerv1.JobDescription) { d.JobId = `a"b` }), "description.job_id"},
		{"a long job id", described(func(d *routerv1.JobDescription) { d.JobId = strings.Repeat("a", 41) }), "description.job_id"},
		{"no provider", described(func(d *routerv1.JobDescription) { d.Provider = "" }), "description.provider"},
		{"a count", described(func(d *routerv1.JobDescription) { d.Operation = routerv1.Operation_OPERATION_COUNT_TOKENS }), "description.operation"},
		{"no body", carrying(``), "lines.body"},
		{"a path", &routerv1.GetJobRequest{Job: &routerv1.JobReference{Provider: "p", UpstreamId: "../x"}}, "job.upstream_id"},
		{"no job", &routerv1.CancelJobRequest{}, "job"},
		{"no provider of a job", &routerv1.StreamJobResultsRequest{Job: &routerv1.JobReference{UpstreamId: "x"}}, "job.provider"},
		{"no time", &routerv1.FindJobRequest{Description: description(), Lines: 1}, "submitted_at"},
		{"no count", &routerv1.FindJobRequest{Description: description(), SubmittedAt: timestamppb.Now()}, "lines"},
		{"an answer", line(func(*routerv1.FinishLineRequest) {}), ""},
		{"nobody's answer", line(func(r *routerv1.FinishLineRequest) { r.KeyId = "" }), "key_id"},
		{"no dialect", line(func(r *routerv1.FinishLineRequest) { r.Context.Dialect = 0 }), "context.dialect"},
		{"vectors of Anthropic's", line(func(r *routerv1.FinishLineRequest) { r.Context.Dialect, r.Context.Operation = claude, embed }), "context.operation"},
		{"no outcome", line(func(r *routerv1.FinishLineRequest) { r.Result.Outcome = 0 }), "result.outcome"},
		{"no result", line(func(r *routerv1.FinishLineRequest) { r.Result = nil }), "result"},
		{"no context", line(func(r *routerv1.FinishLineRequest) { r.Context = nil }), "context"},
		{"another service's", &routerv1.ChatRequest{}, ""},
	} {
		if err := jobs.Validate(test.m); (err == nil) != (test.field == "") || err != nil && fault.From(err).Metadata["field"] != test.field {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
