package quota

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

// line is the stream on which stocks are renewed, opened when it is needed. It belongs to one goroutine.
type line struct {
	client   ratelimitv1.RateLimitServiceClient
	holder   string
	sequence int64

	stream grpc.BidiStreamingClient[ratelimitv1.LeaseRequest, ratelimitv1.LeaseResponse]
	cancel context.CancelFunc
}

const (
	// patience is how long an answer may take, and attempts how often a message is sent: it counts once.
	patience = 400 * time.Millisecond
	attempts = 2
)

// errNoAnswer is the outcome of a message that nobody answered.
var errNoAnswer = errors.New("no answer in time")

// exchange sends a message and returns its answer.
func (l *line) exchange(ctx context.Context, m *ratelimitv1.LeaseRequest) (answer *ratelimitv1.LeaseResponse, err error) {
	l.sequence++
	m.Holder, m.Sequence = l.holder, l.sequence
	for range attempts {
		if answer, err = l.try(ctx, m); err == nil {
			return answer, nil
		}
		l.close()
	}
	return nil, err
}

func (l *line) try(ctx context.Context, m *ratelimitv1.LeaseRequest) (*ratelimitv1.LeaseResponse, error) {
	own := ctx
	if l.stream == nil {
		own, l.cancel = context.WithCancel(ctx)
	}
	stop := time.AfterFunc(patience, l.cancel)
	defer stop.Stop()
	if l.stream == nil {
		stream, err := l.client.Lease(own)
		if err != nil {
			return nil, err
		}
		l.stream = stream
	}
	if err := l.stream.Send(m); err != nil {
		return nil, err
	}
	answer, err := l.stream.Recv()
	if err == nil && answer.GetSequence() != m.GetSequence() {
		return nil, errNoAnswer
	}
	return answer, err
}

// close ends the stream.
func (l *line) close() {
	if l.cancel != nil {
		l.cancel()
	}
	l.stream, l.cancel = nil, nil
}
