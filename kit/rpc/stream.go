package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// validator is Options.Validate; nil accepts everything.
type validator func(fullMethod string, msg proto.Message) error

func (v validator) check(method string, msg any) error {
	if v == nil {
		return nil
	}
	if m, ok := msg.(proto.Message); ok {
		return v(method, m)
	}
	return nil
}

// serverStream is the stream a handler sees: with the context that the interceptors made, and every received message
// validated.
type serverStream struct {
	grpc.ServerStream
	ctx      context.Context
	method   string
	validate validator
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.validate.check(s.method, m)
}

// SendMsg gives the reason for a caller that is gone: the in-process channel says io.EOF where a connection says
// cancelled.
func (s *serverStream) SendMsg(m any) error {
	err := s.ServerStream.SendMsg(m)
	if errors.Is(err, io.EOF) && s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	return err
}
