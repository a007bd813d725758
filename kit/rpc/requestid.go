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
		c.requestID = firstValue(ctx, meta.XRequestID)
		if !meta.ValidID(c.requestID) {
			c.requestID = meta.NewID()
			// It fails only where a handler could no longer send headers, and none has run yet.
			_ = grpc.SetHeader(ctx, metadata.MD{meta.XRequestID: {c.requestID}})
		}
		return c.next(meta.WithRequestID(ctx, c.requestID))
	}
}

// firstValue returns the first value of one metadata key without copying all of the metadata.
func firstValue(ctx context.Context, key string) string {
	if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}
