package peer

import (
	"errors"
	"io"

	"google.golang.org/grpc"
)

// Each hands every message of a server stream to take, in order, until the call ends: nil at its good end, else its
// error, or that of take, after which the caller cancels the call's context. It belongs at the beginning of a stream, instead of
// Recv: in this process the handler then runs on the caller's goroutine, and returns before Each does. A message and its
// bytes are take's until take returns.
func Each[Req, Res any](s grpc.ServerStreamingClient[Res], take func(*Res) error) error {
	if g, ok := s.(*grpc.GenericClientStream[Req, Res]); ok {
		if here, ok := g.ClientStream.(*stream); ok && here.each != nil {
			return eachHere(here, take)
		}
	}
	for {
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

func eachHere[Res any](s *stream, take func(*Res) error) error {
	defer s.cancel()
	var refused error
	err := s.each.Each(func(m any) error {
		refused = take(m.(*Res))
		return refused
	})
	if refused != nil {
		return refused
	}
	return asStatus(err)
}

// eacher is a stream whose handler can run on the caller's goroutine.
type eacher interface {
	Each(take func(m any) error) error
}
