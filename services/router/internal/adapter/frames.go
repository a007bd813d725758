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
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// endGrace is how long a provider may take to end the body after its terminal frame. Reading to the end lets the
// connection be used again.
const endGrace = 100 * time.Millisecond

// frames reads an event stream under its timers. It belongs to one goroutine.
type frames struct {
	ctx     context.Context //nolint:containedctx // the attempt's context tells why a read failed
	adapter *Adapter
	body    *tail
	reader  *sse.Reader
	watch   *upstream.Watch
	ended   bool
}

// tail is a body that remembers whether its end was read.
type tail struct {
	io.ReadCloser

	read bool
}

// Read implements io.Reader.
func (t *tail) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.read = t.read || err == io.EOF //nolint:errorlint // a reader's end is the bare value
	return n, err
}

func newFrames(ctx context.Context, a *Adapter, body io.ReadCloser, watch *upstream.Watch) frames {
	t := &tail{ReadCloser: body}
	return frames{ctx: ctx, adapter: a, body: t, watch: watch, reader: sse.NewReader(t, dialect.MaxFrame)}
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
	if s.ended && !s.body.read { // mostly the end came with the terminal frame
		rpc.Idle(s.ctx)
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
