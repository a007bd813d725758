package rpc_test

import (
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/kit/telemetry"
)

// benchOptions has every interceptor at work.
func benchOptions(b *testing.B, logged bool) rpc.Options {
	b.Helper()
	t, err := telemetry.Setup(b.Context(), telemetry.Config{Lookup: func(string) (string, bool) { return "", false }})
	if err != nil {
		b.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	if logged {
		if logger, err = telemetry.Logger(io.Discard, "debug", "json"); err != nil {
			b.Fatal(err)
		}
	}
	return rpc.Options{Telemetry: t, Logger: logger}
}

func overEach(b *testing.B, s *services, bench func(b *testing.B, m *mesh)) {
	b.Helper()
	b.Run("bare channel", func(b *testing.B) {
		var c inprocgrpc.Channel
		c.WithCloner(inprocgrpc.CloneFunc(func(m any) (any, error) { return m, nil }))
		testpb.RegisterTestServiceServer(&c, s)
		routerv1.RegisterRelayServiceServer(&c, s)
		bench(b, &mesh{inside: &c})
	})
	b.Run("in process, every call logged", func(b *testing.B) { bench(b, inProcess(b, benchOptions(b, true), s)) })
	b.Run("in process", func(b *testing.B) { bench(b, inProcess(b, benchOptions(b, false), s)) })
	b.Run("loopback", func(b *testing.B) { bench(b, overTCP(b, benchOptions(b, false), s)) })
}

func BenchmarkUnary(b *testing.B) {
	overEach(b, &services{}, func(b *testing.B, m *mesh) {
		ctx := meta.WithRequestID(auth.WithKey(b.Context(), clientKey), "req_bench")
		client := m.internal()
		req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 1024)}}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.UnaryCall(ctx, req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRelayCall is a whole call with a single message: the shape of an answer that isn't streamed.
func BenchmarkRelayCall(b *testing.B) {
	overEach(b, &services{}, func(b *testing.B, m *mesh) {
		ctx := meta.WithRequestID(auth.WithKey(b.Context(), clientKey), "req_bench")
		req := &routerv1.RelayRequest{Body: make([]byte, 1024)}
		b.ReportAllocs()
		for b.Loop() {
			stream, err := m.relay().Relay(ctx, req)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := collect(stream); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkEach is the same, on the caller's goroutine.
func BenchmarkEach(b *testing.B) {
	overEach(b, &services{}, func(b *testing.B, m *mesh) {
		ctx := meta.WithRequestID(auth.WithKey(b.Context(), clientKey), "req_bench")
		req := &routerv1.RelayRequest{Body: make([]byte, 1024)}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := each(ctx, m, req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRelayMessage is one message of a long stream.
func BenchmarkRelayMessage(b *testing.B) {
	var n int
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		frame := &routerv1.RelayResponse{Data: make([]byte, 200)}
		for range n {
			if err := w.Send(frame); err != nil {
				return err
			}
		}
		return nil
	}}
	overEach(b, s, func(b *testing.B, m *mesh) {
		n = b.N
		b.ReportAllocs()
		b.ResetTimer()
		stream, err := m.relay().Relay(auth.WithKey(b.Context(), clientKey), &routerv1.RelayRequest{})
		if err != nil {
			b.Fatal(err)
		}
		if got, err := collectCount(stream); err != nil || got != n {
			b.Fatalf("%d of %d messages, %v", got, n, err)
		}
	})
}

func collectCount(s grpc.ServerStreamingClient[routerv1.RelayResponse]) (n int, err error) {
	for {
		if _, err := s.Recv(); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		n++
	}
}
