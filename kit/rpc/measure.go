package rpc

import (
	"context"
	"time"

	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/telemetry"
)

// measure records the duration of the call and, where traces are on, its span.
func measure(t *telemetry.Telemetry) interceptor {
	return func(ctx context.Context, c *call) error {
		if t == nil {
			return c.next(ctx)
		}
		ctx, span := t.StartServer(ctx, c.method)
		begin := time.Now()
		err := c.next(ctx)
		code := fault.CodeOf(err)
		t.RecordServer(ctx, c.method, code, time.Since(begin))
		telemetry.EndServer(span, code)
		return err
	}
}
