package relay

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// desk is a JobService that always says the same.
type desk struct {
	routerv1.UnimplementedJobServiceServer

	prepared *routerv1.PrepareLineResponse
	state    routerv1.JobState
	results  []*routerv1.JobResult
	finished *routerv1.FinishLineResponse
	err      error
}

func (d *desk) PrepareLine(context.Context, *routerv1.PrepareLineRequest) (*routerv1.PrepareLineResponse, error) {
	return d.prepared, fault.Status(d.err).Err()
}

func (d *desk) GetJob(context.Context, *routerv1.GetJobRequest) (*routerv1.GetJobResponse, error) {
	return &routerv1.GetJobResponse{State: d.state}, fault.Status(d.err).Err()
}

func (d *desk) StreamJobResults(_ *routerv1.StreamJobResultsRequest, out grpc.ServerStreamingServer[routerv1.StreamJobResultsResponse]) error {
	if err := out.Send(&routerv1.StreamJobResultsResponse{Results: d.results}); err != nil {
		return err
	}
	return fault.Status(d.err).Err()
}

func (d *desk) FinishLine(context.Context, *routerv1.FinishLineRequest) (*routerv1.FinishLineResponse, error) {
	return d.finished, fault.Status(d.err).Err()
}

func jobsOf(t *testing.T, d *desk) *Jobs {
	t.Helper()
	return NewJobs(dialAny(t, func(s *grpc.Server) { routerv1.RegisterJobServiceServer(s, d) }), 100)
}

func provided(code, submitted string) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "no").With(fault.MetadataHTTPStatus, code).With("submitted", submitted)
}

// TestRefusal: only where the router says so is nothing at the provider.
func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		err            error
		nowhere, final bool
	}{
		{"a bad request", provided("400", "no"), true, true},
		{"too large", provided("413", "no"), true, true},
		{"no credit", provided("402", "no"), true, true},
		{"too slow", provided("408", "no"), true, false},
		{"a race", provided("409", "no"), true, false},
		{"too often", provided("429", "no"), true, false},
		{"broken", provided("500", "no"), true, false},
		{"broken, and who knows", provided("500", "unknown"), false, false},
		{"refused, and who knows", provided("400", "unknown"), false, false},
		{"credentials", fault.New(errorsv1.Reason_REASON_PROVIDER_CREDENTIALS, "no").With("submitted", "no"), true, true},
		{"less trusted by now", fault.New(errorsv1.Reason_REASON_SENSITIVITY, "no").With("submitted", "no"), true, true},
		{"an older router", status.Error(codes.Unimplemented, "no such service"), true, true},
		{"away", status.Error(codes.Unavailable, "no connection"), false, false},
		{"gone in the middle", context.Canceled, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r *job.Refusal
			if nowhere := errors.As(refusal(test.err), &r); nowhere != test.nowhere || (nowhere && r.Final != test.final) {
				t.Errorf("%v %+v", nowhere, r)
			}
		})
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	whole := &routerv1.PrepareLineResponse{
		Body: []byte("b"), Inputs: 3, Limits: &routerv1.JobLimits{Lines: 1, Bytes: 2, Inputs: 3, OneModel: true},
		Headers: []*routerv1.Header{{Name: "anthropic-beta", Value: "x"}, {Name: "anthropic-beta", Value: "y"}},
		Context: &routerv1.LineContext{Provider: "p", UpstreamModel: "m", Sensitivity: llmv1.Sensitivity_SENSITIVITY_HIGH},
	}
	reserved := proto.CloneOf(whole)
	reserved.Context.Reservation = []byte("r")
	for _, test := range []struct {
		name     string
		desk     *desk
		prepared bool
		verdict  queue.Verdict
	}{
		{"prepared", &desk{prepared: whole}, true, queue.Done},
		{"reserved", &desk{prepared: reserved}, true, queue.Done},
		{"live", &desk{prepared: &routerv1.PrepareLineResponse{Live: true}}, false, queue.Live},
		{"an older router", &desk{err: status.Error(codes.Unimplemented, "no")}, false, queue.Live},
		{"limited", &desk{err: fault.New(errorsv1.Reason_REASON_RATE_LIMITED, "no").After(time.Minute)}, false, queue.Busy},
		{"bad", &desk{err: fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "no")}, false, queue.Done},
		{"broken", &desk{err: errors.New("no")}, false, queue.Broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, a := jobsOf(t, test.desk).Prepare(t.Context(), &store.Batch{ID: "batch_1"}, 1, []byte("{}"))
			if (p != nil) != test.prepared || a.Verdict != test.verdict {
				t.Fatalf("%+v %+v", p, a)
			}
			if p != nil && (p.Group.Provider != "p" || p.Group.Model != "m" || p.Group.Headers["anthropic-beta"] != "x,y" || p.Model != "m" ||
				p.Inputs != 3 || p.Limits != (queue.Limits{Lines: 1, Bytes: 2, Inputs: 3}) || string(p.Body) != "b" || len(p.Context) == 0 ||
				p.Reserved != (len(test.desk.prepared.GetContext().GetReservation()) > 0)) {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestStandings(t *testing.T) {
	t.Parallel()
	for state, want := range map[routerv1.JobState]job.Standing{
		routerv1.JobState_JOB_STATE_RUNNING: job.Running, routerv1.JobState_JOB_STATE_ENDED: job.Ended,
		routerv1.JobState_JOB_STATE_REFUSED: job.Refused, routerv1.JobState_JOB_STATE_UNKNOWN: job.Unknown,
		routerv1.JobState_JOB_STATE_UNSPECIFIED: job.Running, 99: job.Running,
	} {
		if got, err := jobsOf(t, &desk{state: state}).Get(t.Context(), store.Reference{}); got != want || err != nil {
			t.Errorf("%v is %v, want %v: %v", state, got, want, err)
		}
	}
}

// TestResults: lines of others are left out, and what breaks off says so.
func TestResults(t *testing.T) {
	t.Parallel()
	d := &desk{
		err: fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "cut"),
		results: []*routerv1.JobResult{
			{Id: "job_1-7", Outcome: routerv1.JobOutcome_JOB_OUTCOME_ANSWERED, HttpStatus: 200, Body: []byte("{}"), UpstreamRequestId: "r"},
			{Id: "job_2-8"},
			{Id: "job_1-x"},
			{Id: ""},
			{Id: "job_1-9", Outcome: routerv1.JobOutcome_JOB_OUTCOME_EXPIRED},
			{Id: "job_1-10", Outcome: routerv1.JobOutcome_JOB_OUTCOME_CANCELLED},
		},
	}
	var got []job.Answer
	var last error
	for a, err := range jobsOf(t, d).Results(t.Context(), &store.Job{ID: "job_1"}) {
		if last = err; err == nil {
			got = append(got, a)
		}
	}
	if len(got) != 3 || got[0].Line != 7 || got[0].HTTPStatus != 200 || got[0].UpstreamID != "r" || got[0].Outcome != batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED ||
		got[1].Outcome != batchv1.LineOutcome_LINE_OUTCOME_EXPIRED || got[2].Outcome != batchv1.LineOutcome_LINE_OUTCOME_CANCELLED {
		t.Errorf("%+v", got)
	}
	if fault.From(last).Reason != errorsv1.Reason_REASON_STREAM_TRUNCATED {
		t.Error(last)
	}
}

// TestFinish: a line ends with what its provider said, and comes again where the router can't finish it.
func TestFinish(t *testing.T) {
	t.Parallel()
	succeeded, errored := batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED, batchv1.LineOutcome_LINE_OUTCOME_ERRORED
	for _, test := range []struct {
		name          string
		desk          *desk
		said          batchv1.LineOutcome
		want          batchv1.LineOutcome
		status        int
		body          string
		later, broken bool
	}{
		{name: "good", desk: &desk{finished: &routerv1.FinishLineResponse{HttpStatus: 200, Body: []byte(`{"a":1}`)}}, want: succeeded, status: 200, body: `{"a":1}`},
		{name: "bad", desk: &desk{finished: &routerv1.FinishLineResponse{HttpStatus: 500, Body: []byte(`oops`)}}, want: errored, status: 500, body: `"oops"`},
		{name: "too large", desk: &desk{finished: &routerv1.FinishLineResponse{HttpStatus: 200, Body: make([]byte, 101)}}, want: errored, body: "result_too_large"},
		{name: "expired", desk: &desk{finished: &routerv1.FinishLineResponse{}}, said: batchv1.LineOutcome_LINE_OUTCOME_EXPIRED, want: batchv1.LineOutcome_LINE_OUTCOME_EXPIRED},
		{name: "away", desk: &desk{err: fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "no")}, want: errored, status: 503, later: true},
		{name: "the log is full", desk: &desk{err: fault.New(errorsv1.Reason_REASON_USAGE_LOG_FULL, "no")}, want: errored, status: 503, later: true},
		{name: "an older router", desk: &desk{err: status.Error(codes.Unimplemented, "no")}, want: errored, status: 404, later: true},
		{name: "another mesh", desk: &desk{err: status.Error(codes.Unauthenticated, "no")}, want: errored, status: 401, later: true},
		{name: "not understood", desk: &desk{err: fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "no")}, want: errored, status: 400, broken: true},
		{name: "broken", desk: &desk{err: errors.New("no")}, want: errored, status: 500, broken: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			said := max(test.said, succeeded)
			f := jobsOf(t, test.desk).Finish(t.Context(), &store.Batch{ID: "batch_1", Dialect: llmv1.Dialect_DIALECT_OPENAI}, &store.Job{ID: "job_1"},
				store.Parked{Batch: 5, Line: 6}, job.Answer{Line: 6, Outcome: said})
			r := f.Result
			if r.Batch != 5 || r.Line != 6 || r.Outcome != test.want || r.HTTPStatus != test.status || f.Later != test.later || f.Broken != test.broken ||
				!strings.Contains(string(r.Body), test.body) {
				t.Errorf("%+v, body %s", f, r.Body)
			}
		})
	}
}
