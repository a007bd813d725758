package rpc

import (
	"context"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/overload"
)

// admit refuses calls that are more than the process carries. Calls within the process were let in where they came in.
func admit(l *overload.Limiter, admitted func(string) bool) interceptor {
	return func(ctx context.Context, c *call) error {
		if l == nil || inThisProcess(ctx) || !admitted(c.method) {
			return c.next(ctx)
		}
		p := overload.Interactive
		if v := meta.Incoming(ctx)[meta.Priority]; len(v) == 1 && v[0] == "batch" {
			p = overload.Batch
		}
		if !l.Enter(p) {
			return fault.New(errorsv1.Reason_REASON_OVERLOADED, "Headgate is serving as many calls as it carries; try again shortly").
				After(time.Second)
		}
		defer l.Leave()
		return c.next(ctx)
	}
}

// hurry ends calls once hurried ends, with its cause. It is for those that may take long; those within the process are ended
// where they came in.
func hurry(hurried context.Context, admitted func(string) bool) interceptor {
	return func(ctx context.Context, c *call) error {
		if admitted == nil || inThisProcess(ctx) || !admitted(c.method) {
			return c.next(ctx)
		}
		// The cause is for the caller alone: the handler hears what it hears when a caller leaves.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(hurried, cancel)()
		err := c.next(ctx)
		if err != nil && hurried.Err() != nil {
			return context.Cause(hurried)
		}
		return err
	}
}
