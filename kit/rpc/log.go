package rpc

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	"github.com/headgate-mesh/headgate/kit/fault"
)

// log writes one line per call: never metadata, messages or keys.
func log(logger *slog.Logger) interceptor {
	return func(ctx context.Context, c *call) error {
		begin := time.Now()
		err := c.next(ctx)
		level := levelOf(c, err)
		if !logger.Enabled(ctx, level) {
			return err
		}
		logger.LogAttrs(ctx, level, "rpc", attributes(ctx, c, time.Since(begin), err)...)
		return err
	}
}

// levelOf: a success is Debug (metrics count it, and a line per call isn't free), a caller's mistake Info, a failure of
// ours or a provider's Warn, a defect Error. What a process of the mesh asks on nobody's behalf, such as the feed of keys or
// a health watch, always ends by being cancelled, as when that process stops, so that is Debug too.
func levelOf(c *call, err error) slog.Level {
	switch fault.CodeOf(err) {
	case codes.OK:
		return slog.LevelDebug
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	case codes.Unavailable, codes.DeadlineExceeded:
		return slog.LevelWarn
	case codes.Canceled:
		if c.principal == "" {
			return slog.LevelDebug
		}
	}
	return slog.LevelInfo
}

func attributes(ctx context.Context, c *call, took time.Duration, err error) []slog.Attr {
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String("method", c.method),
		slog.String("code", fault.CodeOf(err).String()),
		slog.Duration("duration", took),
		slog.String("request_id", c.requestID))
	if c.principal != "" {
		attrs = append(attrs, slog.String("principal", c.principal))
	}
	if c.peer != "" {
		attrs = append(attrs, slog.String("peer", c.peer))
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		attrs = append(attrs, slog.String("remote", p.Addr.String()))
	}
	if err != nil {
		attrs = append(attrs, slog.String("reason", fault.Code(fault.From(err).Reason)), slog.String("error", err.Error()))
	}
	return attrs
}
