package peer

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/telemetry"
)

// InProcess returns a client of a channel in this process, as [Dial] returns one of a connection.
func InProcess(channel grpc.ClientConnInterface, o Options) grpc.ClientConnInterface {
	c := newCalls(channel, o.withDefaults(), "")
	return &c
}

// calls prepares every call on a channel, whichever kind it is.
type calls struct {
	channel grpc.ClientConnInterface
	options Options
	// proves reports whether calls carry a credential; refusals tells of those where it is refused.
	proves   bool
	refusals *refusals
}

// newCalls makes calls with complete options; addr is where the service is, for the log.
func newCalls(channel grpc.ClientConnInterface, o Options, addr string) calls {
	_, _, proves := o.Credentials.Metadata()
	return calls{channel: channel, options: o, proves: proves, refusals: newRefusals(o.Logger, addr)}
}

// Invoke makes a unary call.
func (c *calls) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	return c.settle(c.channel.Invoke(c.attach(ctx), method, args, reply, opts...))
}

// NewStream opens a stream. The caller receives until an error, or cancels its context.
func (c *calls) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, cancel := c.ending(ctx)
	s, err := c.channel.NewStream(c.attach(ctx), desc, method, opts...)
	if err != nil {
		cancel()
		return nil, c.settle(err)
	}
	return &stream{ClientStream: s, calls: c, cancel: cancel, desc: desc}, nil
}

// deadline gives a call without a deadline the default one.
func (c *calls) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok || c.options.Timeout == NoTimeout {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.options.Timeout)
}

// ending is deadline for a call that may have to end before its server does.
func (c *calls) ending(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok || c.options.Timeout == NoTimeout {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.options.Timeout)
}

// attach adds what every call carries: the request id, the trace context, the caller's key, the peer credential.
func (c *calls) attach(ctx context.Context) context.Context {
	list := make([]string, 0, 10)
	if id := meta.RequestID(ctx); id != "" {
		list = append(list, meta.XRequestID, id)
	}
	if key := auth.Key(ctx); key != "" {
		list = append(list, meta.Authorization, "Bearer "+key)
	} else if id := auth.OnBehalf(ctx); id != "" {
		list = append(list, meta.InternalOnBehalf, id)
	}
	if k, v, ok := c.options.Credentials.Metadata(); ok {
		list = append(list, k, v)
	}
	list = telemetry.AppendTrace(ctx, list)
	if len(list) == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, list...)
}
