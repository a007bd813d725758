package batch_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// jobs is a fake of the router's JobService and of a provider with a batch API behind it.
type jobs struct {
	routerv1.UnimplementedJobServiceServer

	limits *routerv1.JobLimits
	// takes is how long a job runs; slow, how long it takes to submit one.
	takes, slow time.Duration
	// answer is the text of all answers; without it each names its line.
	answer string
	// prepare, submit and finish fail, where they return an error.
	prepare func(id string) error
	submit  func(d *routerv1.JobDescription) error
	finish  func() error
	// budget reserves money for each line; released are those whose money was given back.
	budget   bool
	released map[string]int

	mu       sync.Mutex
	seen     map[string]metadata.MD
	upstream []*upstream
	billed   map[string]int
	booked   map[string]int
	finished map[string]*routerv1.FinishLineRequest
	lean     bool
}

// upstream is a batch at the provider.
type upstream struct {
	of        *routerv1.JobDescription
	lines     []string
	began     time.Time
	cancelled bool
	done      bool
}

func newJobs(limits *routerv1.JobLimits) *jobs {
	return &jobs{
		limits: limits, seen: map[string]metadata.MD{}, billed: map[string]int{}, booked: map[string]int{},
		finished: map[string]*routerv1.FinishLineRequest{}, released: map[string]int{},
	}
}

func idOf(ctx context.Context) (string, metadata.MD) {
	md, _ := metadata.FromIncomingContext(ctx)
	return strings.Join(md.Get(meta.XRequestID), ""), md
}

func (j *jobs) PrepareLine(ctx context.Context, in *routerv1.PrepareLineRequest) (*routerv1.PrepareLineResponse, error) {
	id, md := idOf(ctx)
	if j.prepare != nil {
		if err := j.prepare(id); err != nil {
			return nil, fault.Status(err).Err()
		}
	}
	if !j.lean {
		j.mu.Lock()
		j.seen[id] = md
		j.mu.Unlock()
	}
	var reservation []byte
	if j.budget {
		reservation = []byte(id)
	}
	return &routerv1.PrepareLineResponse{
		Body: in.GetBody(), Limits: j.limits, Inputs: 1, Headers: []*routerv1.Header{{Name: "anthropic-beta", Value: "b"}},
		Context: &routerv1.LineContext{
			Provider: "vendor", UpstreamModel: "m-1", Model: "m", Sensitivity: llmv1.Sensitivity_SENSITIVITY_LOW, InputTokens: 7,
			Dialect: in.GetDialect(), Operation: in.GetOperation(), PreparedAt: timestamppb.Now(), Reservation: reservation,
		},
	}, nil
}

func (j *jobs) SubmitJob(stream grpc.ClientStreamingServer[routerv1.SubmitJobRequest, routerv1.SubmitJobResponse]) error {
	u := &upstream{began: time.Now()}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		u.of = cmp.Or(u.of, m.GetDescription())
		for _, line := range m.GetLines().GetLines() {
			u.lines = append(u.lines, line.GetId())
		}
	}
	if j.submit != nil {
		if err := j.submit(u.of); err != nil {
			return fault.Status(err).Err()
		}
	}
	j.mu.Lock()
	j.upstream = append(j.upstream, u)
	n := len(j.upstream)
	j.mu.Unlock()
	select { // the provider has it, and nobody knows yet
	case <-stream.Context().Done():
	case <-time.After(j.slow):
	}
	return stream.SendAndClose(&routerv1.SubmitJobResponse{Job: reference(n - 1)})
}

func reference(n int) *routerv1.JobReference {
	return &routerv1.JobReference{Provider: "vendor", UpstreamId: fmt.Sprint(n), Credential: "c"}
}

func (j *jobs) FindJob(_ context.Context, in *routerv1.FindJobRequest) (*routerv1.FindJobResponse, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n, u := range j.upstream {
		if u.of.GetJobId() == in.GetDescription().GetJobId() && int64(len(u.lines)) == in.GetLines() && u.lines[0] == in.GetFirstLine() {
			return &routerv1.FindJobResponse{Job: reference(n)}, nil
		}
	}
	return &routerv1.FindJobResponse{}, nil
}

func (j *jobs) at(r *routerv1.JobReference) *upstream {
	var n int
	_, _ = fmt.Sscan(r.GetUpstreamId(), &n)
	return j.upstream[n]
}

func (j *jobs) GetJob(_ context.Context, in *routerv1.GetJobRequest) (*routerv1.GetJobResponse, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	u := j.at(in.GetJob())
	if !u.done && !u.cancelled && time.Since(u.began) < j.takes {
		return &routerv1.GetJobResponse{State: routerv1.JobState_JOB_STATE_RUNNING}, nil
	}
	if !u.done && !u.cancelled {
		for _, name := range u.lines {
			j.billed[name]++
		}
	}
	u.done = true
	return &routerv1.GetJobResponse{State: routerv1.JobState_JOB_STATE_ENDED}, nil
}

func (j *jobs) CancelJob(_ context.Context, in *routerv1.CancelJobRequest) (*routerv1.CancelJobResponse, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if u := j.at(in.GetJob()); !u.done {
		u.cancelled = true
	}
	return &routerv1.CancelJobResponse{}, nil
}

// StreamJobResults gives the answers the last first, in groups.
func (j *jobs) StreamJobResults(in *routerv1.StreamJobResultsRequest, out grpc.ServerStreamingServer[routerv1.StreamJobResultsResponse]) error {
	j.mu.Lock()
	u := j.at(in.GetJob())
	j.mu.Unlock()
	m := &routerv1.StreamJobResultsResponse{}
	for i := len(u.lines) - 1; i >= 0; i-- {
		r := &routerv1.JobResult{Id: u.lines[i], Outcome: routerv1.JobOutcome_JOB_OUTCOME_ANSWERED, HttpStatus: 200, UpstreamRequestId: "r"}
		r.Body = []byte(cmp.Or(j.answer, `{"said":"`+u.lines[i]+`"}`))
		if u.cancelled {
			r = &routerv1.JobResult{Id: u.lines[i], Outcome: routerv1.JobOutcome_JOB_OUTCOME_CANCELLED}
		}
		if m.Results = append(m.Results, r); len(m.Results) < 30 && i > 0 {
			continue
		}
		if err := out.Send(m); err != nil {
			return err
		}
		m = &routerv1.StreamJobResultsResponse{}
	}
	return nil
}

func (j *jobs) FinishLine(ctx context.Context, in *routerv1.FinishLineRequest) (*routerv1.FinishLineResponse, error) {
	id, _ := idOf(ctx)
	if j.finish != nil {
		if err := j.finish(); err != nil {
			return nil, fault.Status(err).Err()
		}
	}
	r := &routerv1.FinishLineResponse{HttpStatus: in.GetResult().GetHttpStatus(), Body: in.GetResult().GetBody()}
	if in.GetResult().GetOutcome() != routerv1.JobOutcome_JOB_OUTCOME_ANSWERED {
		j.mu.Lock()
		defer j.mu.Unlock()
		if string(in.GetContext().GetReservation()) == id && in.GetKeyId() != "" && in.GetJobId() != "" {
			j.released[id]++
		}
		return r, nil
	}
	r.Usage = &llmv1.TokenUsage{InputTokens: 3, OutputTokens: 2}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.booked[id] = 1 // one row, however often
	if !j.lean {
		j.finished[id] = in
	}
	return r, nil
}

func (j *jobs) submitted() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, u := range j.upstream {
		n += len(u.lines)
	}
	return n
}
