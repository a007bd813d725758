package rpc_test

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
)

// each takes a relayed answer with peer.Each, and returns the data of its messages.
func each(ctx context.Context, m *mesh, r *routerv1.RelayRequest) (got []string, err error) {
	s, err := m.relay().Relay(ctx, r)
	if err != nil {
		return nil, err
	}
	err = peer.Each[routerv1.RelayRequest](s, func(m *routerv1.RelayResponse) error {
		got = append(got, string(m.GetData()))
		return nil
	}, nil)
	return got, err
}

// saying sends some messages, and ends with an error or without.
func saying(end error, list ...string) func(*routerv1.RelayRequest, grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
	return func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		for _, data := range list {
			if err := w.Send(&routerv1.RelayResponse{Data: []byte(data)}); err != nil {
				return err
			}
		}
		return end
	}
}

func TestEach(t *testing.T) {
	t.Parallel()
	refusal := fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "cut").Because(errors.New("the cause"))
	cases := map[string]struct {
		end  error
		says []string
		want errorsv1.Reason
	}{
		"nothing":               {nil, nil, 0},
		"messages":              {nil, []string{"a", "b", ""}, 0},
		"an error":              {refusal, nil, errorsv1.Reason_REASON_STREAM_TRUNCATED},
		"messages and an error": {refusal, []string{"a"}, errorsv1.Reason_REASON_STREAM_TRUNCATED},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overBoth(t, rpc.Options{}, &services{relay: saying(c.end, c.says...)}, func(t *testing.T, m *mesh) {
				got, err := each(t.Context(), m, &routerv1.RelayRequest{})
				if strings.Join(got, "|") != strings.Join(c.says, "|") || len(got) != len(c.says) {
					t.Errorf("got %q, want %q", got, c.says)
				}
				if err != nil && fault.From(err).Reason != c.want || (err == nil) != (c.want == 0) {
					t.Errorf("ended with %v, want %v", err, c.want)
				}
				if err != nil && strings.Contains(err.Error(), "the cause") {
					t.Errorf("the cause reached the caller: %v", err)
				}
			})
		})
	}
}

// TestEachEndsWithItsTaker: the taker's error is the call's, and the handler learns that its client is gone.
func TestEachEndsWithItsTaker(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	ended := make(chan struct{}, 1)
	endless := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		err := w.Send(&routerv1.RelayResponse{})
		<-w.Context().Done()
		ended <- struct{}{}
		return err
	}}
	overBoth(t, rpc.Options{}, endless, func(t *testing.T, m *mesh) {
		s, err := m.relay().Relay(t.Context(), &routerv1.RelayRequest{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { <-ended }()
		if err := peer.Each[routerv1.RelayRequest](s, func(*routerv1.RelayResponse) error { return enough }, nil); !errors.Is(err, enough) {
			t.Errorf("got %v", err)
		}
	})
	sent := make(chan error, 1)
	m := inProcess(t, rpc.Options{}, &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		err := w.Send(&routerv1.RelayResponse{})
		sent <- err
		if w.Context().Err() == nil {
			t.Error("the handler's context lives on")
		}
		return err
	}})
	s, err := m.relay().Relay(t.Context(), &routerv1.RelayRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_ = peer.Each[routerv1.RelayRequest](s, func(*routerv1.RelayResponse) error { return enough }, nil)
	if err := <-sent; fault.From(err).Reason != errorsv1.Reason_REASON_CANCELLED {
		t.Errorf("the handler's send gave %v", err)
	}
}

// TestEachIdle: a caller in this process learns that the handler waits for somebody else, any other one that it waits.
func TestEachIdle(t *testing.T) {
	t.Parallel()
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		err := w.Send(&routerv1.RelayResponse{Data: []byte("a")})
		rpc.Idle(w.Context())
		return err
	}}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		stream, err := m.relay().Relay(t.Context(), &routerv1.RelayRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var got, seen string
		err = peer.Each[routerv1.RelayRequest](stream, func(m *routerv1.RelayResponse) error {
			got += string(m.GetData())
			return nil
		}, func() { seen = got })
		if err != nil || seen != "a" {
			t.Errorf("idle after %q, %v", seen, err)
		}
	})
}

// TestEachCancelled: the caller's leaving and its deadline reach the handler, and come back as what they are.
func TestEachCancelled(t *testing.T) {
	t.Parallel()
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		<-w.Context().Done()
		// over a connection the server's clock may run out first, and a message still be taken
		return cmp.Or(w.Send(&routerv1.RelayResponse{}), w.Context().Err())
	}}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := each(late, m, &routerv1.RelayRequest{}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("deadline: %v", err)
		}
		left, leave := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, leave)
		if _, err := each(left, m, &routerv1.RelayRequest{}); status.Code(err) != codes.Canceled {
			t.Errorf("left: %v", err)
		}
	})
}

// TestEachKnowsTheCaller: what a handler sees of its caller is the same on every way, and nothing beside the metadata.
func TestEachKnowsTheCaller(t *testing.T) {
	t.Parallel()
	type private struct{}
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		ctx := w.Context()
		p, _ := auth.FromContext(ctx)
		name, _ := auth.Peer(ctx)
		md, _ := metadata.FromIncomingContext(ctx)
		if p.Name != "app" || name != "gateway" || meta.RequestID(ctx) != "req_1" || md.Get("x-test") == nil || ctx.Value(private{}) != nil {
			t.Errorf("%+v %q %q %v %v", p, name, meta.RequestID(ctx), md, ctx.Value(private{}))
		}
		w.SetTrailer(metadata.Pairs("x-tail", "t"))
		return nil
	}}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		ctx := context.WithValue(meta.WithRequestID(asClient(t.Context()), "req_1"), private{}, 1)
		ctx = metadata.AppendToOutgoingContext(ctx, "x-test", "1")
		stream, err := m.relay().Relay(ctx, &routerv1.RelayRequest{})
		if err != nil {
			t.Fatal(err)
		}
		err = peer.Each[routerv1.RelayRequest](stream, func(*routerv1.RelayResponse) error { return nil }, nil)
		if err != nil || stream.Trailer().Get("x-tail") == nil {
			t.Errorf("%v, trailer %v", err, stream.Trailer())
		}
	})
}

// TestEachChecks: validation, limits and panics are those of every other call.
func TestEachChecks(t *testing.T) {
	t.Parallel()
	o := rpc.Options{MaxRecv: 1000, Validate: func(_ string, m proto.Message) error {
		if r, ok := m.(*routerv1.RelayRequest); ok && r.GetQuery() == "bad" {
			return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "bad")
		}
		return nil
	}}
	s := &services{relay: func(r *routerv1.RelayRequest, _ grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		panic("the user's own words")
	}}
	overBoth(t, o, s, func(t *testing.T, m *mesh) {
		for want, r := range map[errorsv1.Reason]*routerv1.RelayRequest{
			errorsv1.Reason_REASON_INVALID_FIELD:     {Query: "bad"},
			errorsv1.Reason_REASON_REQUEST_TOO_LARGE: {Body: make([]byte, 2000)},
			errorsv1.Reason_REASON_INTERNAL:          {},
		} {
			if _, err := each(t.Context(), m, r); err == nil || fault.From(err).Reason != want {
				t.Errorf("%v, want %v", err, want)
			}
		}
	})
}

// TestEachRunsHere: the handler runs on its caller's goroutine.
func TestEachRunsHere(t *testing.T) {
	t.Parallel()
	var stack string
	s := &services{relay: func(*routerv1.RelayRequest, grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		buf := make([]byte, 64<<10)
		stack = string(buf[:runtime.Stack(buf, false)])
		return nil
	}}
	if _, err := each(t.Context(), inProcess(t, rpc.Options{}, s), &routerv1.RelayRequest{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stack, "TestEachRunsHere") {
		t.Errorf("it ran elsewhere:\n%s", stack)
	}
}

// TestConsumed: a shared message is the receiver's to keep exactly where it waits for one on another goroutine.
func TestConsumed(t *testing.T) {
	t.Parallel()
	got := make(chan bool, 1)
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		got <- rpc.Consumed(w.Context())
		return nil
	}}
	receive := func(ctx context.Context, m *mesh) error {
		stream, err := m.relay().Relay(ctx, &routerv1.RelayRequest{})
		if err != nil {
			return err
		}
		_, err = collect(stream)
		return err
	}
	take := func(ctx context.Context, m *mesh) error {
		_, err := each(ctx, m, &routerv1.RelayRequest{})
		return err
	}
	for name, c := range map[string]struct {
		mesh *mesh
		call func(context.Context, *mesh) error
		want bool
	}{
		"in process, Each":        {inProcess(t, rpc.Options{}, s), take, true},
		"in process, Recv":        {inProcess(t, rpc.Options{}, s), receive, false},
		"over a connection, Each": {overTCP(t, rpc.Options{}, s), take, true},
		"over a connection, Recv": {overTCP(t, rpc.Options{}, s), receive, true},
	} {
		if err := c.call(t.Context(), c.mesh); err != nil {
			t.Fatal(err)
		}
		if consumed := <-got; consumed != c.want {
			t.Errorf("%s: %v", name, consumed)
		}
	}
	if rpc.Consumed(t.Context()) {
		t.Error("outside of a call")
	}
}

// TestKeyIsVerifiedOnce: a principal that this process has verified isn't verified again, and another key is.
func TestKeyIsVerifiedOnce(t *testing.T) {
	t.Parallel()
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		p, _ := auth.FromContext(w.Context())
		return w.Send(&routerv1.RelayResponse{Data: []byte(p.Name)})
	}}
	own := auth.NewDecisionContext(t.Context(), auth.Decision{Principal: auth.Principal{Name: "verified before"}, HasKey: true, Key: clientKey})
	cases := map[string]struct {
		ctx               context.Context
		inside, connected string
	}{
		"verified before": {own, "verified before", "app"},
		"not yet":         {asClient(t.Context()), "app", "app"},
	}
	for name, c := range cases {
		if got, err := each(c.ctx, inProcess(t, rpc.Options{}, s), &routerv1.RelayRequest{}); err != nil || got[0] != c.inside {
			t.Errorf("%s, in process: %q, %v", name, got, err)
		}
		if got, err := each(c.ctx, overTCP(t, rpc.Options{}, s), &routerv1.RelayRequest{}); err != nil || got[0] != c.connected {
			t.Errorf("%s, over a connection: %q, %v", name, got, err)
		}
	}
}
