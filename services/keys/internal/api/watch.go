package api

import (
	"errors"

	"google.golang.org/grpc"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/keys/internal/feed"
)

// Watch sends every valid key, then each change. It ends with SERVICE_UNAVAILABLE where the watcher fell behind and has to
// start over, and well where the service stops.
func (s *Server) Watch(_ *keysv1.WatchRequest, stream grpc.ServerStreamingServer[keysv1.WatchResponse]) error {
	w, err := s.begin(stream.Send)
	if err != nil {
		return again(err)
	}
	defer w.Stop()
	if err = w.Follow(stream.Context(), stream.Send); errors.Is(err, feed.ErrClosed) {
		return nil
	}
	return again(err)
}

// begin sends the snapshot. The list of all keys ends with it, for the stream may live for hours.
func (s *Server) begin(send func(*keysv1.WatchResponse) error) (*feed.Watcher, error) {
	all, w, err := s.Feed.Watch(s.Clock())
	if err != nil {
		return nil, err
	}
	if err := feed.Snapshot(all, send); err != nil {
		w.Stop()
		return nil, err
	}
	return w, nil
}

// again tells a watcher that was ended to come back.
func again(err error) error {
	if errors.Is(err, feed.ErrBehind) || errors.Is(err, feed.ErrClosed) {
		return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "the feed of keys ended; watch again").Because(err)
	}
	return err
}
