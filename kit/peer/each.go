package peer

import (
	"errors"
	"io"

	"google.golang.org/grpc"
)

// Each hands every message of a server stream to take, in order, until the call ends: nil at its good end, else its
// error, or that of take, which ends the call. It belongs at the beginning of a stream, instead of Recv: in this process
// the handler then runs on the caller's goroutine, and returns before Each does. A message and its bytes are take's until
// take returns. idle, where it isn't nil, is called before the next message, or the end, is waited for.
func Each[Req, Res any](s grpc.ServerStreamingClient[Res], take func(*Res) error, idle func()) error {
	if idle == nil {
		idle = func() {}
	}
	if g, ok := s.(*grpc.GenericClientStream[Req, Res]); ok {
		if ours, ok := g.ClientStream.(*stream); ok {
			defer ours.cancel()
			if here, ok := ours.ClientStream.(eacher); ok {
				return eachHere(ours.calls, here, take, idle)
			}
		}
	}
	for {
		idle()
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(m); err != nil {
			return err
		}
	}
}

func eachHere[Res any](c *calls, s eacher, take func(*Res) error, idle func()) error {
	var refused error
	err := s.Each(func(m any) error {
		refused = take(m.(*Res))
		return refused
	}, idle)
	if refused != nil {
		return refused
	}
	return c.settle(err)
}

// eacher is a stream whose handler can run on the caller's goroutine.
type eacher interface {
	Each(take func(m any) error, idle func()) error
}
