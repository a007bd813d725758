package jobs

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// SubmitJob implements JobService. Every error says whether there may be a batch all the same.
func (s *Server) SubmitJob(in grpc.ClientStreamingServer[routerv1.SubmitJobRequest, routerv1.SubmitJobResponse]) error {
	first, err := in.Recv()
	if err != nil {
		return err
	}
	d := first.GetDescription()
	if d == nil {
		return provider.Unsubmitted(invalid("part", "must be the description in the first message, and lines in all others"))
	}
	var job *routerv1.JobReference
	err = s.ask(in.Context(), "submit", d.GetProvider(), "description.provider",
		func(ctx context.Context, p *provider.Provider, b provider.Batch) (err error) {
			// What was planned may be hours old: the operator may trust the provider less by now.
			if _, err := catalog.Trusted([]catalog.Target{{Provider: p}}, d.GetSensitivity()); err != nil {
				return err
			}
			job, err = b.Submit(ctx, d, (&lines{in: in}).next)
			return err
		})
	if err != nil {
		return provider.Unsubmitted(err)
	}
	return in.SendAndClose(&routerv1.SubmitJobResponse{Job: job})
}

// lines hands out the lines of a job as they come. It belongs to one goroutine.
type lines struct {
	in   grpc.ClientStreamingServer[routerv1.SubmitJobRequest, routerv1.SubmitJobResponse]
	left []*routerv1.JobLine
}

// next returns io.EOF after the last one.
func (l *lines) next() (*routerv1.JobLine, error) {
	for len(l.left) == 0 {
		m, err := l.in.Recv()
		if err != nil {
			return nil, l.explain(err)
		}
		if m.GetLines() == nil {
			return nil, invalid("part", "must be lines in all messages but the first")
		}
		l.left = m.GetLines().GetLines()
	}
	line := l.left[0]
	l.left[0], l.left = nil, l.left[1:]
	return line, nil
}

// explain tells the end of the lines from a caller that left.
func (l *lines) explain(err error) error {
	if errors.Is(err, io.EOF) && l.in.Context().Err() == nil {
		return io.EOF
	}
	if l.in.Context().Err() != nil {
		return fault.New(errorsv1.Reason_REASON_CANCELLED, "the caller left before it had sent all lines").Because(err)
	}
	return err
}
