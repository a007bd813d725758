package rpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// messages is what is asked of every message: a connection bounds their size by itself, in process it is done here.
type messages struct {
	validate         func(fullMethod string, msg proto.Message) error
	maxRecv, maxSend int
}

// unary checks the request, runs the handler and checks the response.
func (m messages) unary(ctx context.Context, method string, req any, handler grpc.UnaryHandler) (any, error) {
	bounded := inThisProcess(ctx)
	if err := m.received(method, req, bounded); err != nil {
		return nil, err
	}
	resp, err := handler(ctx, req)
	if err != nil {
		return nil, err
	}
	return resp, m.sent(resp, bounded)
}

// received checks a message from the caller.
func (m messages) received(method string, msg any, bounded bool) error {
	p, ok := msg.(proto.Message)
	if !ok {
		return nil
	}
	if n := size(p, bounded); n > m.maxRecv {
		return status.Errorf(codes.ResourceExhausted, "received message larger than max (%d vs. %d)", n, m.maxRecv)
	}
	if m.validate == nil {
		return nil
	}
	return m.validate(method, p)
}

// sent checks a message to the caller.
func (m messages) sent(msg any, bounded bool) error {
	p, ok := msg.(proto.Message)
	if !ok {
		return nil
	}
	if n := size(p, bounded); n > m.maxSend {
		return status.Errorf(codes.ResourceExhausted, "trying to send message larger than max (%d vs. %d)", n, m.maxSend)
	}
	return nil
}

// size is 0 where a connection has looked already.
func size(m proto.Message, bounded bool) int {
	if !bounded {
		return 0
	}
	return proto.Size(m)
}

// inThisProcess reports whether the call came through the in-process channel.
func inThisProcess(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	return ok && p.Addr != nil && p.Addr.Network() == "inproc"
}
