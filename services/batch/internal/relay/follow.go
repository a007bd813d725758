package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

func referred(r store.Reference) *routerv1.JobReference {
	return &routerv1.JobReference{Provider: r.Provider, UpstreamId: r.UpstreamID, Credential: r.Credential}
}

// Get tells how a job stands. A state that this build doesn't know is one under way.
func (j *Jobs) Get(ctx context.Context, ref store.Reference) (job.Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, err := j.router.GetJob(ctx, &routerv1.GetJobRequest{Job: referred(ref)})
	if err != nil {
		return job.Running, fmt.Errorf("ask about a job: %w", err)
	}
	switch r.GetState() {
	case routerv1.JobState_JOB_STATE_ENDED:
		return job.Ended, nil
	case routerv1.JobState_JOB_STATE_REFUSED:
		return job.Refused, nil
	case routerv1.JobState_JOB_STATE_UNKNOWN:
		return job.Unknown, nil
	}
	return job.Running, nil
}

// Cancel asks the provider to stop.
func (j *Jobs) Cancel(ctx context.Context, ref store.Reference) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := j.router.CancelJob(ctx, &routerv1.CancelJobRequest{Job: referred(ref)})
	return err
}

// Results returns the answers of a job. Those to lines of other jobs are left out.
func (j *Jobs) Results(ctx context.Context, of *store.Job) iter.Seq2[job.Answer, error] {
	return func(yield func(job.Answer, error) bool) {
		ctx, cancel := context.WithTimeout(ctx, resultsTime)
		defer cancel()
		stream, err := j.router.StreamJobResults(ctx, &routerv1.StreamJobResultsRequest{Job: referred(of.Reference)})
		for err == nil {
			var m *routerv1.StreamJobResultsResponse
			if m, err = stream.Recv(); err != nil {
				break
			}
			for _, r := range m.GetResults() {
				if a, own := answerOf(of, r); own && !yield(a, nil) {
					return
				}
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(job.Answer{}, fmt.Errorf("read the results of a job: %w", err))
		}
	}
}

func answerOf(of *store.Job, r *routerv1.JobResult) (job.Answer, bool) {
	line, own := lineNumber(of, r.GetId())
	return job.Answer{
		Line: line, Outcome: outcomeOf(r.GetOutcome()), HTTPStatus: int(r.GetHttpStatus()), Body: r.GetBody(), UpstreamID: r.GetUpstreamRequestId(),
	}, own
}

func outcomeOf(o routerv1.JobOutcome) batchv1.LineOutcome {
	switch o {
	case routerv1.JobOutcome_JOB_OUTCOME_CANCELLED:
		return batchv1.LineOutcome_LINE_OUTCOME_CANCELLED
	case routerv1.JobOutcome_JOB_OUTCOME_EXPIRED:
		return batchv1.LineOutcome_LINE_OUTCOME_EXPIRED
	}
	return batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED
}

func outcomeFor(o batchv1.LineOutcome) routerv1.JobOutcome {
	switch o {
	case batchv1.LineOutcome_LINE_OUTCOME_CANCELLED:
		return routerv1.JobOutcome_JOB_OUTCOME_CANCELLED
	case batchv1.LineOutcome_LINE_OUTCOME_EXPIRED:
		return routerv1.JobOutcome_JOB_OUTCOME_EXPIRED
	}
	return routerv1.JobOutcome_JOB_OUTCOME_ANSWERED
}

// Finish turns an answer into a line's result. The router is asked about lines without an answer too, whose books it may
// have to close.
func (j *Jobs) Finish(ctx context.Context, b *store.Batch, of *store.Job, p store.Parked, said job.Answer) job.Finished {
	a := &answer{batch: b, requestID: result.RequestID(b.ID, p.Line), limit: j.maxResult}
	known := new(routerv1.LineContext)
	if err := proto.Unmarshal(p.Context, known); err != nil {
		return finished(&p, a.failed(fault.New(errorsv1.Reason_REASON_INTERNAL, "the line can't be read any more").Because(err)))
	}
	ctx, cancel := context.WithTimeout(meta.WithRequestID(ctx, a.requestID), callTime)
	defer cancel()
	r, err := j.router.FinishLine(ctx, &routerv1.FinishLineRequest{
		Context: known, KeyId: b.KeyID, Tenant: b.Tenant, Tags: tagged(b), JobId: of.ID,
		Result: &routerv1.JobResult{
			Id: lineName(of, p.Line), Outcome: outcomeFor(said.Outcome), HttpStatus: int32(said.HTTPStatus), //nolint:gosec // an HTTP status
			Body: said.Body, UpstreamRequestId: said.UpstreamID,
		},
	})
	switch {
	case err != nil:
		return unfinished(&p, a, fault.From(err))
	case said.Outcome != batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED:
		return job.Finished{Result: store.Result{Batch: p.Batch, Line: p.Line, Outcome: said.Outcome}}
	}
	return finished(&p, a.carried(r))
}

// unfinished is for what the router reports of a line whose answer is there: it is finished again, for long where the
// router is away, or is another than it should be.
func unfinished(p *store.Parked, a *answer, f *fault.Error) job.Finished {
	d := finished(p, a.failed(f))
	switch f.GRPCCode() {
	case codes.Unimplemented, codes.Unauthenticated, codes.PermissionDenied:
		d.Later = true
	}
	d.Later = d.Later || f.Retryable()
	d.Broken = !d.Later
	return d
}

// carried judges an answer that a job has brought. It isn't asked for again, whatever it is.
func (a *answer) carried(r *routerv1.FinishLineResponse) queue.Answer {
	a.usage = r.GetUsage()
	status := int(r.GetHttpStatus())
	switch {
	case len(r.GetBody()) > a.limit:
		return a.errored(0, result.OwnError(a.batch.Dialect, result.TooLarge, "the answer is larger than a batch keeps", a.requestID))
	case status < http.StatusBadRequest:
		return a.answered(batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED, status, result.Text(r.GetBody()))
	}
	return a.errored(status, result.Text(r.GetBody()))
}

func finished(p *store.Parked, a queue.Answer) job.Finished {
	return job.Finished{
		Later: a.Verdict == queue.Busy || a.Verdict == queue.Full, Broken: a.Verdict == queue.Broken,
		Result: store.Result{Batch: p.Batch, Line: p.Line, Outcome: a.Outcome, HTTPStatus: a.HTTPStatus, Body: a.Body, Usage: a.Usage},
	}
}

// tagged are the tags of a line's usage, as a live call's.
func tagged(b *store.Batch) map[string]string {
	m := map[string]string{"batch": b.ID}
	maps.Copy(m, b.Tags)
	return m
}
