package rpc

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

var errSecondMessage = errors.New("the method takes one message")

// clientSide is a server stream's client. Each runs the handler here; asking for single messages starts it elsewhere.
type clientSide struct {
	ctx    context.Context //nolint:containedctx // the stream's
	inside *inside
	method *method
	desc   *grpc.StreamDesc
	// request is the client's one message, already the handler's own.
	request any
	trailer metadata.MD

	// over is the stream on grpchan's channel, once it was needed.
	once sync.Once
	over grpc.ClientStream
	err  error
}

// SendMsg keeps the request.
func (c *clientSide) SendMsg(m any) (err error) {
	if c.request != nil {
		return errSecondMessage
	}
	c.request, err = c.inside.cloner.Clone(m)
	return err
}

// CloseSend implements grpc.ClientStream.
func (c *clientSide) CloseSend() error { return nil }

// Context implements grpc.ClientStream.
func (c *clientSide) Context() context.Context { return c.ctx }

// Consumed reports whether the messages of a stream are done with once Send has returned, so that a handler may use their
// bytes again. They aren't where a shared message waits for a client on another goroutine.
func Consumed(ctx context.Context) bool {
	s := grpc.ServerTransportStreamFromContext(ctx)
	if here, ok := s.(transport); ok {
		return here.take != nil
	}
	return s != nil && !inThisProcess(ctx)
}

// Idle tells a caller in this process that the handler waits for somebody else from here on, so that what it holds back
// for want of the next message leaves. Any other caller waits by itself.
func Idle(ctx context.Context) {
	if here, ok := grpc.ServerTransportStreamFromContext(ctx).(transport); ok && here.idle != nil {
		here.idle()
	}
}

// Each runs the handler and calls take with every message, which is take's until it returns, and idle where the handler
// says Idle. It returns the handler's error, or take's, which also cancels the call.
func (c *clientSide) Each(take func(m any) error, idle func()) error {
	s := &serverSide{method: c.method, cloner: c.inside.cloner, request: c.request, take: take, idle: idle}
	s.ctx, s.end = serverContext(c.ctx, s)
	defer s.end()
	err := c.inside.stream(c.method.impl, s, c.method.info, c.method.stream)
	c.trailer = s.trailer
	if s.refused != nil {
		return s.refused
	}
	return err
}

// RecvMsg implements grpc.ClientStream.
func (c *clientSide) RecvMsg(m any) error {
	s, err := c.handOver()
	if err != nil {
		return err
	}
	return s.RecvMsg(m)
}

// Header implements grpc.ClientStream.
func (c *clientSide) Header() (metadata.MD, error) {
	s, err := c.handOver()
	if err != nil {
		return nil, err
	}
	return s.Header()
}

// Trailer implements grpc.ClientStream.
func (c *clientSide) Trailer() metadata.MD {
	if c.over != nil {
		return c.over.Trailer()
	}
	return c.trailer
}

// handOver starts the handler on a goroutine of its own.
func (c *clientSide) handOver() (grpc.ClientStream, error) {
	c.once.Do(func() {
		if c.over, c.err = c.inside.Channel.NewStream(c.ctx, c.desc, c.method.name); c.err != nil {
			return
		}
		if c.err = c.over.SendMsg(c.request); errors.Is(c.err, io.EOF) {
			c.err = nil // the call is over; RecvMsg knows why
		}
		c.err = errors.Join(c.err, c.over.CloseSend())
	})
	return c.over, c.err
}

// serverSide is what a handler on its caller's goroutine sees of the call.
type serverSide struct {
	ctx    context.Context //nolint:containedctx // the stream's
	end    context.CancelFunc
	method *method
	cloner *cloner
	// metadata is the caller's, to be read only.
	metadata metadata.MD
	// request is nil once it was received.
	request any
	take    func(m any) error
	idle    func()
	refused error

	mu              sync.Mutex
	header, trailer metadata.MD
}

// Context implements grpc.ServerStream.
func (s *serverSide) Context() context.Context { return s.ctx }

// RecvMsg gives the request, then io.EOF.
func (s *serverSide) RecvMsg(m any) error {
	if s.request == nil {
		return io.EOF
	}
	request := s.request
	s.request = nil
	return s.cloner.Copy(m, request)
}

// SendMsg hands a message to the client; io.EOF says that the client is gone.
func (s *serverSide) SendMsg(m any) error {
	if s.ctx.Err() != nil {
		return io.EOF
	}
	own, err := s.cloner.Clone(m)
	if err != nil {
		return err
	}
	if o, ok := own.(owned); ok {
		own = o.Message
	}
	if s.refused = s.take(own); s.refused != nil {
		s.end()
		return io.EOF
	}
	return nil
}

// SetHeader implements grpc.ServerStream.
func (s *serverSide) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header = metadata.Join(s.header, md)
	return nil
}

// SendHeader implements grpc.ServerStream; whoever takes an answer with Each reads no header.
func (s *serverSide) SendHeader(md metadata.MD) error { return s.SetHeader(md) }

// SetTrailer implements grpc.ServerStream.
func (s *serverSide) SetTrailer(md metadata.MD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailer = metadata.Join(s.trailer, md)
}

// transport is the same call as grpc.SetHeader and its like see it.
type transport struct{ *serverSide }

// Method implements grpc.ServerTransportStream.
func (t transport) Method() string { return t.method.name }

// SetTrailer implements grpc.ServerTransportStream.
func (t transport) SetTrailer(md metadata.MD) error {
	t.serverSide.SetTrailer(md)
	return nil
}
