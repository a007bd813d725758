package rpc_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
)

func assertLog(t *testing.T, log string, has, lacks []string) {
	t.Helper()
	for _, want := range has {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	for _, secret := range lacks {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

func TestHealthFollowsSetServing(t *testing.T) {
	t.Parallel()
	overBoth(t, rpc.Options{}, &services{}, func(t *testing.T, m *mesh) {
		for _, serving := range []bool{true, false, true} {
			m.server.SetServing(serving)
			for _, service := range []string{"", "headgate.router.v1.RouterService"} {
				// A connection whose server isn't healthy takes no calls, so the server itself is asked.
				resp, err := healthv1.NewHealthClient(m.server.InProcess()).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
				if err != nil || (resp.GetStatus() == healthv1.HealthCheckResponse_SERVING) != serving {
					t.Errorf("%q: %v, %v, want %v", service, resp, err, serving)
				}
			}
		}
	})
}

// TestStopLetsCallsFinish: health first, then the running call to its end.
func TestStopLetsCallsFinish(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		close(entered)
		<-release
		return w.Send(&routerv1.RelayResponse{Data: []byte("done")})
	}}
	m, stop, served := startStoppable(t, rpc.Options{}, s)
	stream, err := m.relay().Relay(t.Context(), &routerv1.RelayRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	stop()
	waitNotServing(t, m.server)
	close(release)
	if messages, err := collect(stream); err != nil || len(messages) != 1 {
		t.Errorf("the running call gave %d messages and %v", len(messages), err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestStopIsBounded: a call that doesn't end is cancelled.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		close(entered)
		<-w.Context().Done()
		return w.Context().Err()
	}}
	m, stop, served := startStoppable(t, rpc.Options{DrainTimeout: 20 * time.Millisecond}, s)
	stream, err := m.relay().Relay(t.Context(), &routerv1.RelayRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	stop()
	if _, err := collect(stream); status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
		t.Errorf("the stuck call ended with %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func startStoppable(t *testing.T, o rpc.Options, s *services) (*mesh, context.CancelFunc, <-chan error) {
	t.Helper()
	m := newServer(t, o, s)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	served := make(chan error, 1)
	go func() { served <- m.server.Serve(ctx, lis) }()
	m.inside = dial(t, lis, peer.Options{Credentials: credentials()})
	return m, cancel, served
}

// waitNotServing follows the health service until it says so.
func waitNotServing(t *testing.T, s *rpc.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	watch, err := healthv1.NewHealthClient(s.InProcess()).Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		resp, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if resp.GetStatus() == healthv1.HealthCheckResponse_NOT_SERVING {
			return
		}
	}
}

func TestUnhealthyServerGetsNoCalls(t *testing.T) {
	t.Parallel()
	m := overTCP(t, rpc.Options{}, &services{})
	ctx := auth.WithKey(t.Context(), clientKey)
	if _, err := m.router().Chat(ctx, &routerv1.ChatRequest{}); err != nil {
		t.Fatal(err)
	}
	m.server.SetServing(false)
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		if _, err := m.router().Chat(ctx, &routerv1.ChatRequest{}); status.Code(err) == codes.Unavailable {
			return
		}
	}
	t.Error("calls still reach a server that isn't serving")
}

// TestLogOfAnEnd: that a process of the mesh ends what it asked on nobody's behalf is no news; that a caller left is told.
func TestLogOfAnEnd(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		begun <- struct{}{}
		<-w.Context().Done()
		return w.Context().Err()
	}}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		for level, ctx := range map[string]context.Context{"DEBUG": t.Context(), "INFO": asClient(t.Context())} {
			ctx, cancel := context.WithCancel(meta.WithRequestID(ctx, "req_"+level))
			ended := make(chan error, 1)
			go func() { ended <- relay(ctx, m.inside) }()
			<-begun
			cancel()
			<-ended
			if line := logged(m, "req_"+level, `"code":"Canceled"`); !strings.Contains(line, `"level":"`+level+`"`) {
				t.Errorf("want it at %s: %s", level, line)
			}
		}
	})
}

// logged waits for a line of the log with all of these in it; empty where none comes.
func logged(m *mesh, parts ...string) string {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for line := range strings.Lines(m.log.String()) {
			if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
				return line
			}
		}
	}
	return ""
}
