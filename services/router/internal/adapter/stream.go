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
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// endGrace is how long a provider may take to end the body after its terminal frame. Reading to the end lets the
// connection be used again.
const endGrace = 100 * time.Millisecond

// Stream is a provider's event stream. It belongs to one goroutine.
type Stream struct {
	ctx     context.Context //nolint:containedctx // the attempt's context tells why a read failed
	adapter *Adapter
	body    io.ReadCloser
	reader  *sse.Reader
	tap     wire.Tap
	watch   *upstream.Watch
	ended   bool
}

func newStream(ctx context.Context, a *Adapter, body io.ReadCloser, tap wire.Tap, watch *upstream.Watch) *Stream {
	return &Stream{ctx: ctx, adapter: a, body: body, tap: tap, watch: watch, reader: sse.NewReader(body, dialect.MaxFrame)}
}

// Next returns the next frame and what to do with it; the frame is valid until the next call. The provider's error
// frames come with credentials masked. An end short of the end is an error: STREAM_TRUNCATED, PROVIDER_MALFORMED,
// TIMEOUT or CANCELLED. After a Terminal or Failed verdict there is nothing more to read.
func (s *Stream) Next() (sse.Frame, dialect.Verdict, error) {
	if !s.reader.Ready() {
		s.watch.Wait()
	}
	f, err := s.reader.Next()
	if err != nil {
		return f, dialect.Verdict{}, s.explain(err)
	}
	v := s.tap.Read(f)
	s.watch.Progress(v.Content)
	switch v.Action {
	case dialect.Malformed:
		return f, v, s.adapter.malformed("a stream event that can't be understood", nil)
	case dialect.Failed:
		f.Raw = s.adapter.client.Mask(f.Raw)
		s.ended = true
	case dialect.Terminal:
		s.ended = true
	}
	return f, v, nil
}

// Ready reports whether the next frame is already here, so that Next won't wait.
func (s *Stream) Ready() bool { return !s.ended && s.reader.Ready() }

// Reading returns what the frames so far told.
func (s *Stream) Reading() dialect.Reading { return s.tap.Reading() }

// Close gives the stream up, or, when its end was seen, lets the connection be used again.
func (s *Stream) Close() {
	if s.ended {
		s.drain()
	}
	s.watch.Stop()
	s.body.Close()
	s.reader.Close()
}

func (s *Stream) drain() {
	stop := time.AfterFunc(endGrace, s.watch.Stop)
	defer stop.Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(s.body, maxErrorBody))
}

func (s *Stream) explain(err error) error {
	if s.ctx.Err() != nil {
		return s.adapter.client.Explain(s.ctx, err)
	}
	if errors.Is(err, sse.ErrFrameTooLarge) {
		return s.adapter.malformed("a stream event larger than Headgate takes", err)
	}
	return fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED,
		"provider %s ended its stream before the answer was complete; try again", s.adapter.cfg.Name).
		With("provider", s.adapter.cfg.Name).Because(err)
}
