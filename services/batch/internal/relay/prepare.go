package relay

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Jobs asks a router for all that concerns providers' batch APIs. Safe for concurrent use.
type Jobs struct {
	router    routerv1.JobServiceClient
	maxResult int
}

var (
	_ queue.Preparer = (*Jobs)(nil)
	_ job.Providers  = (*Jobs)(nil)
)

// NewJobs returns Jobs over a connection to the router; an answer larger than maxResult is an error.
func NewJobs(router grpc.ClientConnInterface, maxResult int64) *Jobs {
	return &Jobs{router: routerv1.NewJobServiceClient(router), maxResult: int(maxResult)}
}

// Prepare prepares a line, as whoever made the batch. A router that has no jobs yet has all lines asked live.
func (j *Jobs) Prepare(ctx context.Context, b *store.Batch, line int64, body []byte) (*queue.Prepared, queue.Answer) {
	r, err := j.router.PrepareLine(steered(ctx, b, line), &routerv1.PrepareLineRequest{
		Dialect: b.Dialect, Operation: operation(b.Operation), Body: body, Headers: headers(b.Headers),
	})
	switch {
	case fault.CodeOf(err) == codes.Unimplemented, err == nil && r.GetLive():
		return nil, queue.Answer{Verdict: queue.Live}
	case err != nil:
		a := &answer{batch: b, requestID: result.RequestID(b.ID, line)}
		return nil, a.failed(fault.From(err))
	}
	known, err := proto.Marshal(r.GetContext())
	if err != nil { // it came over the wire
		return nil, queue.Answer{Verdict: queue.Live}
	}
	return prepared(r, known), queue.Answer{}
}

func prepared(r *routerv1.PrepareLineResponse, known []byte) *queue.Prepared {
	c, l := r.GetContext(), r.GetLimits()
	p := &queue.Prepared{
		Group: store.Group{Provider: c.GetProvider(), Headers: byName(r.GetHeaders())},
		Model: c.GetUpstreamModel(), Sensitivity: c.GetSensitivity(), Inputs: max(1, r.GetInputs()),
		Limits:  queue.Limits{Lines: l.GetLines(), Bytes: l.GetBytes(), Inputs: l.GetInputs()},
		Context: known, Body: r.GetBody(), Reserved: len(c.GetReservation()) > 0,
	}
	if l.GetOneModel() {
		p.Group.Model = c.GetUpstreamModel()
	}
	return p
}

// byName are headers that lines must have in common; one that comes twice is a list.
func byName(list []*routerv1.Header) map[string]string {
	m := make(map[string]string, len(list))
	for _, h := range list {
		m[h.GetName()] = strings.TrimPrefix(m[h.GetName()]+","+h.GetValue(), ",")
	}
	return m
}
