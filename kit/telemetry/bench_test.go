package telemetry

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

func BenchmarkServerCall(b *testing.B) {
	t, err := Setup(b.Context(), Config{Lookup: func(string) (string, bool) { return "", false }})
	if err != nil {
		b.Fatal(err)
	}
	for name, md := range map[string]metadata.MD{
		"no trace": {},
		"trace":    {"traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
	} {
		b.Run(name, func(b *testing.B) {
			in := metadata.NewIncomingContext(b.Context(), md)
			b.ReportAllocs()
			for b.Loop() {
				ctx, span := t.StartServer(in, "/a.b/C")
				begin := time.Now()
				t.RecordServer(ctx, "/a.b/C", codes.OK, time.Since(begin))
				EndServer(span, codes.OK)
			}
		})
	}
}

func BenchmarkLog(b *testing.B) {
	logger, err := Logger(io.Discard, "info", "json")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		logger.LogAttrs(b.Context(), slog.LevelInfo, "rpc",
			slog.String("method", "/headgate.router.v1.RouterService/Chat"), slog.String("code", "OK"),
			slog.Duration("duration", 1234567), slog.String("request_id", "req_0123456789abcdef01234567"),
			slog.String("principal", "app"), slog.String("peer", "gateway"), slog.String("remote", "0"))
	}
}
