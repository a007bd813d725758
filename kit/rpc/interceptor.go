package rpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/headgate-mesh/headgate/kit/auth"
)

// handle runs the innermost step of a call. For a unary call ctx goes to the handler; for a stream it becomes the
// context of the stream that the handler sees.
type handle func(ctx context.Context) error

// interceptor wraps one call, unary and stream alike; it goes on with c.next.
type interceptor func(ctx context.Context, c *call) error

// call is one call on its way through the interceptors, and what it is known by: the inner ones fill that in for the
// outer ones to report. It is used by one goroutine.
type call struct {
	method    string
	requestID string
	principal string
	peer      string

	rest []interceptor
	last handle
}

// next runs the rest of the call. An interceptor calls it once.
func (c *call) next(ctx context.Context) error {
	if len(c.rest) == 0 {
		return c.last(ctx)
	}
	i := c.rest[0]
	c.rest = c.rest[1:]
	return i(ctx, c)
}

// interceptors is the whole list, the outermost first. Everything a call goes through, on a listener and in process,
// is here.
func interceptors(hurried context.Context, o Options, rules *auth.Rules) []interceptor {
	return []interceptor{
		recovery(o.Logger),                       // whatever happens below, the process lives on
		requestID(),                              // the caller's or a new one
		measure(o.Telemetry),                     // duration by method and code; a span where traces are on
		mapErrors(),                              // any error becomes a status; causes stay behind
		log(o.Logger),                            // one line per call, the cause included
		recovery(o.Logger),                       // a handler's panic is an error that is logged, mapped and counted
		admit(o.Admission, o.Admitted),           // refuse early what can't be carried
		hurry(hurried, o.Admitted),               // end what a stop can't wait for
		authenticate(o.Verifier, o.Peers, rules), // who is calling, and whether they may
	}
}

// chain builds the gRPC interceptors. Checking messages is the innermost step: a unary call has its message, a stream
// receives them.
func chain(list []interceptor, m messages) (grpc.UnaryServerInterceptor, grpc.StreamServerInterceptor) {
	unary := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
		c := call{method: info.FullMethod, rest: list}
		c.last = func(ctx context.Context) (err error) {
			resp, err = m.unary(ctx, c.method, req, handler)
			return err
		}
		if err = c.next(ctx); err != nil {
			return nil, err
		}
		return resp, nil
	}
	stream := func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		c := call{method: info.FullMethod, rest: list}
		c.last = func(ctx context.Context) error {
			return handler(srv, &serverStream{
				ServerStream: ss, ctx: ctx, method: c.method, messages: m, bounded: inThisProcess(ctx),
			})
		}
		return c.next(ss.Context())
	}
	return unary, stream
}
