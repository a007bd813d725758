package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	// submitTime and resultsTime bound what moves a whole job; searchTime, what reads a provider's lists; callTime, all else.
	submitTime  = time.Hour
	resultsTime = 2 * time.Hour
	searchTime  = 5 * time.Minute
	callTime    = 2 * time.Minute
)

// lineName is a line's name at the provider.
func lineName(j *store.Job, line int64) string { return fmt.Sprintf("%s-%d", j.ID, line) }

// lineNumber is the reverse of lineName; false for the name of another job's line.
func lineNumber(j *store.Job, name string) (int64, bool) {
	digits, own := strings.CutPrefix(name, j.ID+"-")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, own && err == nil
}

func describe(b *store.Batch, j *store.Job) *routerv1.JobDescription {
	d := &routerv1.JobDescription{
		JobId: j.ID, Provider: j.Group.Provider, Model: j.Model, Operation: operation(b.Operation), Sensitivity: j.Sensitivity,
	}
	for _, name := range slices.Sorted(maps.Keys(j.Group.Headers)) {
		d.Headers = append(d.Headers, &routerv1.Header{Name: name, Value: j.Group.Headers[name]})
	}
	return d
}

// Submit makes a batch at a provider.
func (j *Jobs) Submit(ctx context.Context, b *store.Batch, of *store.Job, bodies job.Bodies) (store.Reference, error) {
	ctx, cancel := context.WithTimeout(ctx, submitTime)
	defer cancel()
	stream, err := j.router.SubmitJob(ctx)
	if err != nil {
		return store.Reference{}, refusal(err)
	}
	err = stream.Send(&routerv1.SubmitJobRequest{Part: &routerv1.SubmitJobRequest_Description{Description: describe(b, of)}})
	if err == nil {
		err = send(stream, of, bodies)
	}
	if err != nil && !errors.Is(err, io.EOF) { // what came so far must not pass for all
		return store.Reference{}, fmt.Errorf("submit a job: %w", err)
	}
	r, err := stream.CloseAndRecv()
	if err != nil {
		return store.Reference{}, refusal(err)
	}
	if r.GetJob().GetUpstreamId() == "" {
		return store.Reference{}, errors.New("submit a job: the router doesn't say where it is")
	}
	return reference(r.GetJob()), nil
}

// send sends the lines; io.EOF says that the router has answered already.
func send(stream grpc.ClientStreamingClient[routerv1.SubmitJobRequest, routerv1.SubmitJobResponse], of *store.Job, bodies job.Bodies) error {
	for after := int64(0); ; {
		list, err := bodies(after)
		if err != nil || len(list) == 0 {
			return err
		}
		lines := &routerv1.JobLines{Lines: make([]*routerv1.JobLine, len(list))}
		for i, p := range list {
			lines.Lines[i] = &routerv1.JobLine{Id: lineName(of, p.Line), Body: p.Body}
			after = p.Line
		}
		if err := stream.Send(&routerv1.SubmitJobRequest{Part: &routerv1.SubmitJobRequest_Lines{Lines: lines}}); err != nil {
			return err
		}
	}
}

// submittedKey is the router's word on whether anything is at the provider: no or unknown.
const submittedKey = "submitted"

// refusal tells errors after which nothing is at the provider from those after which nobody knows.
func refusal(err error) error {
	f := fault.From(err)
	old := f.GRPCCode() == codes.Unimplemented // a router that knows no jobs has submitted none
	if f.Metadata[submittedKey] != "no" && !old {
		return fmt.Errorf("submit a job: %w", err)
	}
	return &job.Refusal{Final: old || final(f), After: f.RetryAfter, Err: err}
}

// final reports whether another attempt would end the same. Credentials that a provider doesn't take don't mend by
// waiting, and a live call may find another provider.
func final(f *fault.Error) bool {
	if f.Reason == errorsv1.Reason_REASON_PROVIDER_CREDENTIALS {
		return true
	}
	switch status := f.HTTPStatus(); status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests, fault.StatusClientClosedRequest:
		return false
	default:
		return status < http.StatusInternalServerError
	}
}

func reference(r *routerv1.JobReference) store.Reference {
	return store.Reference{Provider: r.GetProvider(), UpstreamID: r.GetUpstreamId(), Credential: r.GetCredential()}
}

// Find looks for a job.
func (j *Jobs) Find(ctx context.Context, b *store.Batch, of *store.Job) (store.Reference, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	r, err := j.router.FindJob(ctx, &routerv1.FindJobRequest{
		Description: describe(b, of), Lines: of.Lines, FirstLine: lineName(of, of.First), SubmittedAt: timestamppb.New(of.Tried),
	})
	if err != nil {
		return store.Reference{}, false, fmt.Errorf("find a job: %w", err)
	}
	return reference(r.GetJob()), r.GetUnclear(), nil
}
