package adapter

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// endGrace is how long a provider may take to end the body after its terminal frame. Reading to the end lets the
// connection be used again.
const endGrace = 100 * time.Millisecond

// frames reads an event stream under its timers. It belongs to one goroutine.
type frames struct {
	ctx     context.Context //nolint:containedctx // the attempt's context tells why a read failed
	adapter *Adapter
	body    io.ReadCloser
	reader  *sse.Reader
	watch   *upstream.Watch
	ended   bool
}

func newFrames(ctx context.Context, a *Adapter, body io.ReadCloser, watch *upstream.Watch) frames {
	return frames{ctx: ctx, adapter: a, body: body, watch: watch, reader: sse.NewReader(body, dialect.MaxFrame)}
}

// next returns the next frame, valid until the next call.
func (s *frames) next() (sse.Frame, error) {
	if !s.reader.Ready() {
		s.watch.Wait()
	}
	return s.reader.Next()
}

// ready reports whether the next frame is already here.
func (s *frames) ready() bool { return !s.ended && s.reader.Ready() }

// close gives the stream up, or, when its end was seen, lets the connection be used again.
func (s *frames) close() {
	if s.ended {
		s.drain()
	}
	s.watch.Stop()
	s.body.Close()
	s.reader.Close()
}

func (s *frames) drain() {
	stop := time.AfterFunc(endGrace, s.watch.Stop)
	defer stop.Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(s.body, maxErrorBody))
}

func (s *frames) explain(err error) error {
	if s.ctx.Err() != nil {
		return s.adapter.client.Explain(s.ctx, err)
	}
	if errors.Is(err, sse.ErrFrameTooLarge) {
		return s.adapter.malformed("a stream event larger than Headgate takes", err)
	}
	return s.adapter.truncated(err)
}

func (a *Adapter) truncated(cause error) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED,
		"provider %s ended its stream before the answer was complete; try again", a.cfg.Name).
		With("provider", a.cfg.Name).Because(cause)
}
