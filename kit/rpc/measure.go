package rpc

import (
	"context"
	"time"

	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/telemetry"
	"google.golang.org/grpc/metadata"
)

// measure records the duration of the call and, where traces are on, its span.
func measure(t *telemetry.Telemetry) interceptor {
	return func(ctx context.Context, c *call, next handle) error {
		if t == nil {
			return next(ctx)
		}
		md, _ := metadata.FromIncomingContext(ctx)
		ctx, span := t.StartServer(ctx, c.method, md)
		begin := time.Now()
		err := next(ctx)
		code := fault.CodeOf(err)
		t.RecordServer(ctx, c.method, code, time.Since(begin))
		telemetry.EndServer(span, code)
		return err
	}
}
