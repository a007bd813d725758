package rpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// caller is the context of whoever calls, without its values: what a handler knows of its caller is in the metadata.
type caller struct{ context.Context }

// Value knows what is the same for every call from this process, and the way back.
func (c caller) Value(key any) any {
	if key == (callerKey{}) {
		return c.Context
	}
	return fromHere.Value(key)
}

// fromHere is a context with the peer of every call from this process.
var fromHere = peer.NewContext(context.Background(), here)

// AfterFunc spares each call the goroutine that package context starts to watch a context it doesn't know.
func (c caller) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(c.Context, f) }

// callerKey leads from a handler's context to its caller's.
type callerKey struct{}

// callerOf returns the context of the caller in this process, or nil.
func callerOf(ctx context.Context) context.Context {
	c, _ := ctx.Value(callerKey{}).(context.Context)
	return c
}

// here is the peer of every call from this process.
var here = &peer.Peer{Addr: address{}, AuthInfo: address{}}

// network is the name under which inThisProcess knows such a call; that of grpchan.
const network = "inproc"

type address struct{}

// Network is grpchan's name, too.
func (address) Network() string { return network }
func (address) String() string  { return "0" }

// AuthType is the same.
func (address) AuthType() string { return network }

// serverContext returns a handler's context, which ends with the caller's or when the call does.
func serverContext(client context.Context, s *serverSide) (ctx context.Context, end context.CancelFunc) {
	ctx, end = context.WithCancel(caller{client})
	if md, ok := metadata.FromOutgoingContext(client); ok {
		s.metadata = md
		ctx = metadata.NewIncomingContext(ctx, md)
	}
	return grpc.NewContextWithServerTransportStream(ctx, transport{s}), end
}
