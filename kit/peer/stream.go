package peer

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// stream is a client's stream: it ends the call's context when the call is over.
type stream struct {
	grpc.ClientStream
	calls  *calls
	cancel context.CancelFunc
	desc   *grpc.StreamDesc
}

// SendMsg sends one message. io.EOF says that the call is over and that RecvMsg knows why; generated code asks only
// where the client streams too, so the single message of any other call is never told, as on a connection.
func (s *stream) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if errors.Is(err, io.EOF) && !s.desc.ClientStreams {
		return nil
	}
	return s.calls.settle(err)
}

// Header waits for the server's header.
func (s *stream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	return md, s.calls.settle(err)
}

// RecvMsg receives one message. An error, or the only message of a client stream, is the end of the call.
func (s *stream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil || !s.desc.ServerStreams {
		s.cancel()
	}
	return s.calls.settle(err)
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
