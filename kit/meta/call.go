package meta

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// call is what a context carries of a call, in one place: a context costs as much as it is deep.
type call struct {
	id       string
	incoming metadata.MD
}

type callKey struct{}

// WithRequestID returns a context that carries the id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return WithIncoming(ctx, id, nil)
}

// RequestID returns the id that the context carries, or "".
func RequestID(ctx context.Context) string {
	c, _ := ctx.Value(callKey{}).(call)
	return c.id
}

// WithIncoming returns the context of an incoming call: with its id, and its metadata, which nobody changes any more.
func WithIncoming(ctx context.Context, id string, md metadata.MD) context.Context {
	return context.WithValue(ctx, callKey{}, call{id, md})
}

// Incoming returns the metadata of an incoming call, to be read only: gRPC's own functions copy it each time.
func Incoming(ctx context.Context) metadata.MD {
	if c, _ := ctx.Value(callKey{}).(call); c.incoming != nil {
		return c.incoming
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return md
}
