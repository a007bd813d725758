package peer

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// stream is a client's stream: it releases the default deadline when the call is over.
type stream struct {
	grpc.ClientStream
	cancel context.CancelFunc
	single bool
}

// SendMsg sends one message.
func (s *stream) SendMsg(m any) error { return asStatus(s.ClientStream.SendMsg(m)) }

// RecvMsg receives one message. An error, or the only message of a client stream, is the end of the call.
func (s *stream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil || s.single {
		s.cancel()
	}
	return asStatus(err)
}

// asStatus makes a status of a bare context error, which the in-process channel returns where a connection returns a
// status.
func asStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok { //nolint:errorlint // a wrapped one isn't from gRPC
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	return err
}
