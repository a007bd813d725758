package rpc

import (
	"context"
	"reflect"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// inside is the way into the services of this process. A call runs on its caller's goroutine where it can: nothing is
// handed over and nobody has to be woken, which costs more than all the rest of a call. It can where the client sends
// one message: unary calls, and server streams that are taken with Each. Other calls, and those with options, go over
// the channel of grpchan, on a goroutine of their own.
type inside struct {
	*inprocgrpc.Channel

	methods map[string]*method
	unary   grpc.UnaryServerInterceptor
	stream  grpc.StreamServerInterceptor
	cloner  *cloner
}

// method is one that can run on its caller's goroutine; one of call and stream is set.
type method struct {
	name   string
	impl   any
	call   grpc.MethodHandler
	stream grpc.StreamHandler
	info   *grpc.StreamServerInfo
}

func newInside(unary grpc.UnaryServerInterceptor, stream grpc.StreamServerInterceptor, c *cloner) *inside {
	channel := new(inprocgrpc.Channel).WithServerUnaryInterceptor(unary).WithServerStreamInterceptor(stream).WithCloner(c)
	return &inside{Channel: channel, methods: make(map[string]*method), unary: unary, stream: stream, cloner: c}
}

// RegisterService registers a service and its methods.
func (i *inside) RegisterService(desc *grpc.ServiceDesc, impl any) {
	i.Channel.RegisterService(desc, impl)
	for _, m := range desc.Methods {
		name := "/" + desc.ServiceName + "/" + m.MethodName
		i.methods[name] = &method{name: name, impl: impl, call: m.Handler}
	}
	for _, s := range desc.Streams {
		if s.ClientStreams {
			continue
		}
		name := "/" + desc.ServiceName + "/" + s.StreamName
		i.methods[name] = &method{
			name: name, impl: impl, stream: s.Handler, info: &grpc.StreamServerInfo{FullMethod: name, IsServerStream: true},
		}
	}
}

// Invoke makes a unary call. It returns when the handler does, which a caller that leaves tells by the context.
func (i *inside) Invoke(ctx context.Context, name string, req, reply any, opts ...grpc.CallOption) error {
	m := i.methods[name]
	if m == nil || m.call == nil || !plain(opts) || isNil(req) {
		return i.Channel.Invoke(ctx, name, req, reply, opts...)
	}
	ctx, end := serverContext(ctx, &serverSide{method: m})
	defer end()
	resp, err := m.call(m.impl, ctx, func(in any) error { return i.cloner.Copy(in, req) }, i.unary)
	if err != nil {
		return err
	}
	if isNil(resp) {
		return status.Error(codes.Internal, "the handler returned neither an error nor a response")
	}
	return i.cloner.Copy(reply, resp)
}

// NewStream opens a stream. The handler of a server stream begins when the client first asks for its answer.
func (i *inside) NewStream(ctx context.Context, desc *grpc.StreamDesc, name string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	m := i.methods[name]
	if m == nil || m.stream == nil || desc.ClientStreams || !plain(opts) {
		return i.Channel.NewStream(ctx, desc, name, opts...)
	}
	return &clientSide{ctx: ctx, inside: i, method: m, desc: desc}, nil
}

// plain reports whether the options ask for nothing: generated code always marks its method's name as static.
func plain(opts []grpc.CallOption) bool {
	for _, o := range opts {
		if _, ok := o.(grpc.StaticMethodCallOption); !ok {
			return false
		}
	}
	return true
}

func isNil(m any) bool {
	if m == nil {
		return true
	}
	v := reflect.ValueOf(m)
	return v.Kind() == reflect.Pointer && v.IsNil()
}
