package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// recovery turns a panic into INTERNAL and logs its stack.
func recovery(logger *slog.Logger) interceptor {
	return func(ctx context.Context, c *call) (err error) {
		defer func() {
			if v := recover(); v != nil {
				logger.LogAttrs(ctx, slog.LevelError, "panic in a handler",
					slog.String("method", c.method),
					slog.String("request_id", c.requestID),
					slog.String("panic", describe(v)),
					slog.String("stack", string(debug.Stack())))
				err = fault.New(errorsv1.Reason_REASON_INTERNAL,
					"something went wrong inside Headgate; the request id finds it in the log")
			}
		}()
		return c.next(ctx)
	}
}

// describe says what was panicked with. Only the runtime's own errors are quoted: any other value may hold content of
// the request.
func describe(v any) string {
	if err, ok := v.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a value of type %T", v)
}
