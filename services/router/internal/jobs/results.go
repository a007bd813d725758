package jobs

import (
	"context"

	"google.golang.org/grpc"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

const (
	// maxTogether and maxBytes bound what travels in one message: answers come fast, and each may be small.
	maxTogether = 200
	maxBytes    = 1 << 20
)

// StreamJobResults implements JobService.
func (s *Server) StreamJobResults(r *routerv1.StreamJobResultsRequest, out grpc.ServerStreamingServer[routerv1.StreamJobResultsResponse]) error {
	p := parcel{out: out}
	err := s.job(out.Context(), "results", r.GetJob(), func(ctx context.Context, b provider.Batch) error {
		return b.Results(ctx, r.GetJob(), p.add)
	})
	// What was read before a failure is as good as it is without one.
	if failed := p.flush(); err == nil {
		err = failed
	}
	return err
}

// parcel gathers answers. It belongs to one goroutine.
type parcel struct {
	out   grpc.ServerStreamingServer[routerv1.StreamJobResultsResponse]
	list  []*routerv1.JobResult
	bytes int
}

func (p *parcel) add(r *routerv1.JobResult) error {
	if p.bytes+len(r.GetBody()) > maxBytes {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.list = append(p.list, r)
	p.bytes += len(r.GetBody())
	if len(p.list) < maxTogether {
		return nil
	}
	return p.flush()
}

func (p *parcel) flush() error {
	if len(p.list) == 0 {
		return nil
	}
	m := &routerv1.StreamJobResultsResponse{Results: p.list}
	p.list, p.bytes = nil, 0
	return p.out.Send(m)
}
