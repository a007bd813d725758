package adapter

import (
	"context"
	"io"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Stream is a provider's event stream on its way to a client of the same dialect: a provider.Stream.
type Stream struct {
	frames

	tap    wire.Tap
	mender wire.Mender
}

func newStream(ctx context.Context, a *Adapter, body io.ReadCloser, tap wire.Tap, watch *upstream.Watch) *Stream {
	mender, _ := tap.(wire.Mender)
	return &Stream{frames: newFrames(ctx, a, body, watch), tap: tap, mender: mender}
}

// Next implements provider.Stream.
func (s *Stream) Next() (sse.Frame, dialect.Verdict, error) {
	f, err := s.next()
	if err != nil {
		return f, dialect.Verdict{}, s.explain(err)
	}
	if s.mender != nil {
		f = s.mender.Mend(f)
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

// Ready implements provider.Stream.
func (s *Stream) Ready() bool { return s.ready() }

// Reading implements provider.Stream.
func (s *Stream) Reading() dialect.Reading { return s.tap.Reading() }

// Close implements provider.Stream.
func (s *Stream) Close() { s.close() }
