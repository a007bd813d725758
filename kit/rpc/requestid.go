package rpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/headgate-mesh/headgate/kit/meta"
)

// requestID takes the caller's request id where it is valid, or makes one and tells it to the caller in a header.
func requestID() interceptor {
	return func(ctx context.Context, c *call) error {
		md := incoming(ctx)
		if v := md[meta.XRequestID]; len(v) > 0 {
			c.requestID = v[0]
		}
		if !meta.ValidID(c.requestID) {
			c.requestID = meta.NewID()
			// It fails only where a handler could no longer send headers, and none has run yet.
			_ = grpc.SetHeader(ctx, metadata.MD{meta.XRequestID: {c.requestID}})
		}
		return c.next(meta.WithIncoming(ctx, c.requestID, md))
	}
}

// incoming returns a call's metadata. What came within the process is the call's own already.
func incoming(ctx context.Context) metadata.MD {
	if here, ok := grpc.ServerTransportStreamFromContext(ctx).(transport); ok {
		return here.metadata
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return md
}
