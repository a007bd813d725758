package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
)

// serverStream is the stream a handler sees: with the context that the interceptors made, and every message checked.
type serverStream struct {
	grpc.ServerStream
	ctx      context.Context
	method   string
	messages messages
	bounded  bool
}

// Context returns the context that the interceptors made.
func (s *serverStream) Context() context.Context { return s.ctx }

// RecvMsg receives a message and checks it.
func (s *serverStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.messages.received(s.method, m, s.bounded)
}

// SendMsg checks a message and sends it. It gives the reason for a caller that is gone: the in-process channel says
// io.EOF where a connection says cancelled.
func (s *serverStream) SendMsg(m any) error {
	if err := s.messages.sent(m, s.bounded); err != nil {
		return err
	}
	err := s.ServerStream.SendMsg(m)
	if errors.Is(err, io.EOF) && s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	return err
}
