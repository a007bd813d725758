package rpc

import (
	"context"

	"github.com/headgate-mesh/headgate/kit/auth"
	"google.golang.org/grpc"
)

// call is what one call is known by inside the interceptors. The inner ones fill it in for the outer ones to report.
type call struct {
	method    string
	requestID string
	principal string
	peer      string
}

// handle runs the rest of a call. For a unary call ctx goes to the handler; for a stream it becomes the context of the
// stream that the handler sees.
type handle func(ctx context.Context) error

// interceptor wraps one call, unary and stream alike.
type interceptor func(ctx context.Context, c *call, next handle) error

// interceptors is the whole list, the outermost first. Everything a call goes through, on a listener and in process,
// is here.
func interceptors(o Options, rules *auth.Rules) []interceptor {
	return []interceptor{
		recovery(o.Logger),                       // whatever happens below, the process lives on
		requestID(),                              // the caller's or a new one
		measure(o.Telemetry),                     // duration by method and code; a span where traces are on
		mapErrors(),                              // any error becomes a status; causes stay behind
		log(o.Logger),                            // one line per call, the cause included
		recovery(o.Logger),                       // a handler's panic is an error that is logged, mapped and counted
		authenticate(o.Verifier, o.Peers, rules), // who is calling, and whether they may
	}
}

// chain builds the gRPC interceptors. Validation is the innermost step: it needs the messages, which a unary call has
// and a stream receives.
func chain(list []interceptor, validate validator) (grpc.UnaryServerInterceptor, grpc.StreamServerInterceptor) {
	unary := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		var resp any
		err := run(ctx, list, &call{method: info.FullMethod}, func(ctx context.Context) (err error) {
			if err = validate.check(info.FullMethod, req); err == nil {
				resp, err = handler(ctx, req)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return resp, nil
	}
	stream := func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return run(ss.Context(), list, &call{method: info.FullMethod}, func(ctx context.Context) error {
			return handler(srv, &serverStream{ServerStream: ss, ctx: ctx, method: info.FullMethod, validate: validate})
		})
	}
	return unary, stream
}

// run calls the interceptors in order, then last.
func run(ctx context.Context, list []interceptor, c *call, last handle) error {
	if len(list) == 0 {
		return last(ctx)
	}
	return list[0](ctx, c, func(ctx context.Context) error { return run(ctx, list[1:], c, last) })
}
