package rpc_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/rpc"
)

// collect receives a stream to its end.
func collect[T any](s grpc.ServerStreamingClient[T]) (messages []*T, err error) {
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return messages, nil
		}
		if err != nil {
			return messages, err
		}
		messages = append(messages, m)
	}
}

func TestUnaryCarriesCallerPeerAndRequestID(t *testing.T) {
	t.Parallel()
	s := &services{chat: func(ctx context.Context, _ *routerv1.ChatRequest) (*routerv1.ChatResponse, error) {
		p, _ := auth.FromContext(ctx)
		peerName, _ := auth.Peer(ctx)
		if p.Name != "app" || peerName != "gateway" || auth.Key(ctx) != clientKey || meta.RequestID(ctx) != "req_1" {
			t.Errorf("handler saw %+v, %q, %q, %q", p, peerName, auth.Key(ctx), meta.RequestID(ctx))
		}
		return &routerv1.ChatResponse{}, nil
	}}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		ctx := meta.WithRequestID(asClient(t.Context()), "req_1")
		if _, err := m.router().Chat(ctx, &routerv1.ChatRequest{}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRequestIDIsMadeAndTold(t *testing.T) {
	t.Parallel()
	overBoth(t, rpc.Options{}, &services{}, func(t *testing.T, m *mesh) {
		for name, sent := range map[string]string{"none": "", "not valid": "spaces and\ttabs"} {
			var header metadata.MD
			ctx := asClient(t.Context())
			if sent != "" {
				ctx = meta.WithRequestID(ctx, sent)
			}
			if _, err := m.router().Chat(ctx, &routerv1.ChatRequest{}, grpc.Header(&header)); err != nil {
				t.Logf("%s: %v", name, err) // a connection refuses metadata that isn't printable
				continue
			}
			if got := header.Get(meta.XRequestID); len(got) != 1 || !strings.HasPrefix(got[0], "req_") {
				t.Errorf("%s: header %q", name, got)
			}
		}
	})
}

func TestErrorsKeepReasonAndHideCause(t *testing.T) {
	t.Parallel()
	s := &services{
		chat: func(context.Context, *routerv1.ChatRequest) (*routerv1.ChatResponse, error) {
			return nil, fault.New(errorsv1.Reason_REASON_MODEL_NOT_FOUND, "No such model.").
				With("field", "model").After(3 * time.Second).Because(errors.New("the cause"))
		},
		unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return nil, errors.New("dial tcp 10.0.0.1: refused")
		},
		streamChat: func(_ *routerv1.StreamChatRequest, w grpc.ServerStreamingServer[routerv1.StreamChatResponse]) error {
			if err := w.Send(&routerv1.StreamChatResponse{}); err != nil {
				return err
			}
			return fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "The stream was cut off.")
		},
	}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		_, err := m.router().Chat(asClient(t.Context()), &routerv1.ChatRequest{})
		got := fault.From(err)
		if status.Code(err) != codes.NotFound || got.Reason != errorsv1.Reason_REASON_MODEL_NOT_FOUND ||
			got.Message != "No such model." || got.Metadata["field"] != "model" || got.RetryAfter != 3*time.Second {
			t.Errorf("reasoned error came as %+v", got)
		}
		if strings.Contains(err.Error(), "the cause") {
			t.Errorf("the cause reached the caller: %v", err)
		}
		if _, ok := errors.AsType[*fault.Error](err); ok {
			t.Error("the caller holds the server's own error")
		}
		if !strings.Contains(m.log.String(), "the cause") {
			t.Error("the cause isn't in the log")
		}

		_, err = m.internal().UnaryCall(t.Context(), &testpb.SimpleRequest{})
		if got := fault.From(err); got.Reason != errorsv1.Reason_REASON_INTERNAL || strings.Contains(err.Error(), "10.0.0.1") {
			t.Errorf("unknown error came as %v", err)
		}

		stream, err := m.router().StreamChat(asClient(t.Context()), &routerv1.StreamChatRequest{})
		if err != nil {
			t.Fatal(err)
		}
		messages, err := collect(stream)
		if len(messages) != 1 || fault.From(err).Reason != errorsv1.Reason_REASON_STREAM_TRUNCATED {
			t.Errorf("stream gave %d messages and %v", len(messages), err)
		}
	})
}

func TestPanicIsInternalAndLogged(t *testing.T) {
	t.Parallel()
	s := &services{
		chat: func(context.Context, *routerv1.ChatRequest) (*routerv1.ChatResponse, error) {
			panic("the user's own words")
		},
		relay: func(*routerv1.RelayRequest, grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
			var list []int
			_ = list[3]
			return nil
		},
	}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		_, err := m.router().Chat(asClient(t.Context()), &routerv1.ChatRequest{})
		if fault.From(err).Reason != errorsv1.Reason_REASON_INTERNAL {
			t.Errorf("unary: %v", err)
		}
		stream, err := m.relay().Relay(t.Context(), &routerv1.RelayRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = collect(stream); fault.From(err).Reason != errorsv1.Reason_REASON_INTERNAL {
			t.Errorf("stream: %v", err)
		}
		log := m.log.String()
		for _, want := range []string{"calls_test.go", "index out of range", `"code":"Internal"`} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q", want)
			}
		}
		if strings.Contains(log, "own words") {
			t.Error("the log quotes what was panicked with")
		}
	})
}

func TestDeadlineReachesHandlerAndCaller(t *testing.T) {
	t.Parallel()
	s := &services{
		chat: func(ctx context.Context, _ *routerv1.ChatRequest) (*routerv1.ChatResponse, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("the handler has no deadline")
			}
			<-ctx.Done()
			return nil, ctx.Err()
		},
		relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
			<-w.Context().Done()
			return w.Context().Err()
		},
	}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		ctx, cancel := context.WithTimeout(asClient(t.Context()), 30*time.Millisecond)
		defer cancel()
		_, err := m.router().Chat(ctx, &routerv1.ChatRequest{})
		if status.Code(err) != codes.DeadlineExceeded || fault.From(err).Reason != errorsv1.Reason_REASON_TIMEOUT {
			t.Errorf("unary: %v", err)
		}
		stream, err := m.relay().Relay(ctx, &routerv1.RelayRequest{})
		if err == nil {
			_, err = collect(stream)
		}
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("stream: %v", err)
		}
	})
}

func TestDefaultDeadline(t *testing.T) {
	t.Parallel()
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		at, ok := w.Context().Deadline()
		if left := time.Until(at); !ok || left < 9*time.Minute || left > 10*time.Minute {
			t.Errorf("a call without a deadline got %v", left)
		}
		return nil
	}}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		stream, err := m.relay().Relay(context.Background(), &routerv1.RelayRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := collect(stream); err != nil {
			t.Error(err)
		}
	})
}

func TestCancelReachesHandler(t *testing.T) {
	t.Parallel()
	gone := make(chan error, 4)
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		_ = w.Send(&routerv1.RelayResponse{Data: []byte("a")}) // the caller may have it, and leave, before this returns
		<-w.Context().Done()
		err := w.Send(&routerv1.RelayResponse{Data: []byte("b")})
		gone <- err
		return err
	}}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream, err := m.relay().Relay(ctx, &routerv1.RelayRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err = stream.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("the caller got %v", err)
		}
		if err := <-gone; fault.From(err).Reason != errorsv1.Reason_REASON_CANCELLED {
			t.Errorf("the handler's send gave %v", err)
		}
	})
}

func TestMetadataGoesBothWays(t *testing.T) {
	t.Parallel()
	s := &services{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			if md.Get("x-test") == nil || md.Get("x-test-bin")[0] != "\x00\xff" {
				t.Errorf("handler saw %v", md)
			}
			_ = grpc.SetHeader(ctx, metadata.Pairs("x-head", "h"))
			_ = grpc.SetTrailer(ctx, metadata.Pairs("x-tail", "t"))
			return &testpb.SimpleResponse{}, nil
		},
		relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
			w.SetTrailer(metadata.Pairs("x-tail", "t"))
			return w.SendHeader(metadata.Pairs("x-head", "h"))
		},
	}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "X-Test", "1", "x-test-bin", "\x00\xff")
		var head, tail metadata.MD
		if _, err := m.internal().UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.Header(&head), grpc.Trailer(&tail)); err != nil {
			t.Fatal(err)
		}
		if head.Get("x-head") == nil || tail.Get("x-tail") == nil {
			t.Errorf("unary: header %v, trailer %v", head, tail)
		}
		stream, err := m.relay().Relay(ctx, &routerv1.RelayRequest{})
		if err != nil {
			t.Fatal(err)
		}
		head, err = stream.Header()
		if err != nil || head.Get("x-head") == nil {
			t.Errorf("stream: header %v, %v", head, err)
		}
		if _, err = collect(stream); err != nil || stream.Trailer().Get("x-tail") == nil {
			t.Errorf("stream: trailer %v, %v", stream.Trailer(), err)
		}
	})
}

func TestClientStreamAndDuplex(t *testing.T) {
	t.Parallel()
	s := &services{
		upload: func(w grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
			total := 0
			for {
				m, err := w.Recv()
				if errors.Is(err, io.EOF) {
					return w.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: int32(total)})
				}
				if err != nil {
					return err
				}
				total += len(m.GetPayload().GetBody())
			}
		},
		duplex: func(w grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
			for {
				m, err := w.Recv()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				if err := w.Send(&testpb.StreamingOutputCallResponse{Payload: m.GetPayload()}); err != nil {
					return err
				}
			}
		},
	}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		up, err := m.internal().StreamingInputCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		msg := &testpb.StreamingInputCallRequest{Payload: &testpb.Payload{Body: []byte("123")}}
		for range 3 {
			if err := up.Send(msg); err != nil {
				t.Fatal(err)
			}
		}
		if sum, err := up.CloseAndRecv(); err != nil || sum.GetAggregatedPayloadSize() != 9 {
			t.Errorf("upload: %v, %v", sum, err)
		}
		both, err := m.internal().FullDuplexCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := both.Send(&testpb.StreamingOutputCallRequest{Payload: msg.GetPayload()}); err != nil {
				t.Fatal(err)
			}
			if got, err := both.Recv(); err != nil || string(got.GetPayload().GetBody()) != "123" {
				t.Fatalf("duplex: %v, %v", got, err)
			}
		}
		if err := both.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := both.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("duplex ended with %v", err)
		}
	})
}

func TestValidationRunsOnEveryMessage(t *testing.T) {
	t.Parallel()
	o := rpc.Options{Validate: func(method string, m proto.Message) error {
		if r, ok := m.(*testpb.StreamingOutputCallRequest); ok && len(r.GetPayload().GetBody()) > 3 {
			return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "The payload is too long.").With("field", "payload")
		}
		if _, ok := m.(*testpb.SimpleRequest); ok {
			return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s lacks a payload.", method)
		}
		return nil
	}}
	s := &services{
		unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			t.Error("the handler ran")
			return nil, nil
		},
		duplex: func(w grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
			for {
				if _, err := w.Recv(); err != nil {
					return err
				}
			}
		},
	}
	overBoth(t, o, s, func(t *testing.T, m *mesh) {
		_, err := m.internal().UnaryCall(t.Context(), &testpb.SimpleRequest{})
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "/grpc.testing.TestService/UnaryCall") {
			t.Errorf("unary: %v", err)
		}
		both, err := m.internal().FullDuplexCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{"abc", "abcd"} {
			if err := both.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte(body)}}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := both.Recv(); fault.From(err).Metadata["field"] != "payload" {
			t.Errorf("stream: %v", err)
		}
	})
}

// TestMessageLimits: what is at the limit passes, what is above it is refused, requests and answers apart.
func TestMessageLimits(t *testing.T) {
	t.Parallel()
	const maxRecv, maxSend = 1 << 20, 2 << 20
	s := &services{
		unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return &testpb.SimpleResponse{Payload: &testpb.Payload{Body: make([]byte, r.GetResponseSize())}}, nil
		},
		relay: func(r *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
			size, _ := strconv.Atoi(r.GetQuery())
			return w.Send(&routerv1.RelayResponse{Data: make([]byte, size)})
		},
	}
	cases := []struct {
		request, answer int
		want            codes.Code
	}{
		{maxRecv - 64, maxSend - 64, codes.OK},
		{maxRecv + 1, 0, codes.ResourceExhausted},
		{0, maxSend + 1, codes.ResourceExhausted},
	}
	overBoth(t, rpc.Options{MaxRecv: maxRecv, MaxSend: maxSend}, s, func(t *testing.T, m *mesh) {
		for _, c := range cases {
			req := &testpb.SimpleRequest{ResponseSize: int32(c.answer), Payload: &testpb.Payload{Body: make([]byte, c.request)}}
			_, err := m.internal().UnaryCall(t.Context(), req)
			checkLimit(t, "unary", err, c.want)
			stream, err := m.relay().Relay(t.Context(), &routerv1.RelayRequest{Body: make([]byte, c.request), Query: strconv.Itoa(c.answer)})
			if err == nil {
				_, err = collect(stream)
			}
			checkLimit(t, "stream", err, c.want)
		}
	})
}

func checkLimit(t *testing.T, kind string, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("%s: %v, want %v", kind, err, want)
	}
	if err != nil && fault.From(err).Reason != errorsv1.Reason_REASON_REQUEST_TOO_LARGE {
		t.Errorf("%s: reason %v", kind, fault.From(err).Reason)
	}
}

func TestUnknownMethod(t *testing.T) {
	t.Parallel()
	overBoth(t, rpc.Options{}, &services{}, func(t *testing.T, m *mesh) {
		for _, method := range []string{"/headgate.router.v1.RouterService/Nope", "/no.such.Service/Call"} {
			err := m.inside.Invoke(t.Context(), method, &testpb.Empty{}, &testpb.Empty{})
			if fault.From(err).Reason != errorsv1.Reason_REASON_ROUTE_NOT_FOUND {
				t.Errorf("%s: %v", method, err)
			}
		}
	})
}

func TestMessagesAreIndependent(t *testing.T) {
	t.Parallel()
	s := &services{unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		r.Payload.Body[0] = 'X'
		return &testpb.SimpleResponse{Payload: r.GetPayload()}, nil
	}}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte("abc")}}
		resp := &testpb.SimpleResponse{Username: "left over"}
		err := m.inside.Invoke(t.Context(), testpb.TestService_UnaryCall_FullMethodName, req, resp)
		if err != nil || string(req.Payload.Body) != "abc" || string(resp.Payload.Body) != "Xbc" || resp.Username != "" {
			t.Errorf("request %v, response %v, error %v", req, resp, err)
		}
	})
}
