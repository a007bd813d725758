package rpc_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/rpc"
)

// call makes one kind of call and returns its error.
type call func(ctx context.Context, conn grpc.ClientConnInterface) error

func chat(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := routerv1.NewRouterServiceClient(conn).Chat(ctx, &routerv1.ChatRequest{})
	return err
}

func listModels(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := routerv1.NewRouterServiceClient(conn).ListModels(ctx, &routerv1.ListModelsRequest{})
	return ignoreUnimplemented(err)
}

func listTargets(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := routerv1.NewRouterServiceClient(conn).ListTargets(ctx, &routerv1.ListTargetsRequest{})
	return ignoreUnimplemented(err)
}

func relay(ctx context.Context, conn grpc.ClientConnInterface) error {
	s, err := routerv1.NewRelayServiceClient(conn).Relay(ctx, &routerv1.RelayRequest{})
	if err != nil {
		return err
	}
	_, err = collect(s)
	return err
}

func check(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}

func reflect(ctx context.Context, conn grpc.ClientConnInterface) error {
	s, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	err = s.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: ""},
	})
	if err != nil {
		return err
	}
	if _, err = s.Recv(); err != nil {
		return err
	}
	return s.CloseSend()
}

// ignoreUnimplemented: the call was let through to a handler that does nothing.
func ignoreUnimplemented(err error) error {
	if fault.From(err) != nil && fault.From(err).Reason == errorsv1.Reason_REASON_ROUTE_NOT_FOUND {
		return nil
	}
	return err
}

const (
	ok          = errorsv1.Reason_REASON_UNSPECIFIED
	missing     = errorsv1.Reason_REASON_MISSING_API_KEY
	invalid     = errorsv1.Reason_REASON_INVALID_API_KEY
	denied      = errorsv1.Reason_REASON_PERMISSION_DENIED
	wrongSecret = "another secret, of another mesh!"
)

// TestWhoMayCallWhat is the matrix of methods and credentials.
func TestWhoMayCallWhat(t *testing.T) {
	t.Parallel()
	calls := map[string]call{
		"chat": chat, "models": listModels, "targets": listTargets, "relay": relay, "health": check, "reflection": reflect,
	}
	type want map[string]errorsv1.Reason
	open := func(chat, models, targets, relay errorsv1.Reason) want {
		return want{"chat": chat, "models": models, "targets": targets, "relay": relay, "health": ok, "reflection": ok}
	}
	cases := []struct {
		name, key, peer string
		want            want
	}{
		{"nothing", "", "", open(missing, missing, missing, denied)},
		{"client's key", clientKey, "", open(ok, ok, denied, denied)},
		{"viewer's key", viewerKey, "", open(denied, ok, ok, denied)},
		{"administrator's key", adminKey, "", open(ok, ok, ok, denied)},
		{"unknown key", "hg_x", "", open(invalid, invalid, invalid, denied)},
		{"peer alone", "", peerValue("gateway"), open(missing, missing, missing, ok)},
		{"peer with client's key", clientKey, peerValue("gateway"), open(ok, ok, denied, ok)},
		{"peer with unknown key", "hg_x", peerValue("gateway"), open(invalid, invalid, invalid, invalid)},
		{"peer of another mesh", clientKey, foreignPeer(), open(denied, denied, denied, denied)},
		{"another peer's token", clientKey, "router" + peerValue("gateway")[len("gateway"):], open(denied, denied, denied, denied)},
		{"peer without a token", clientKey, "gateway", open(denied, denied, denied, denied)},
		{"peer that is empty", clientKey, " ", open(denied, denied, denied, denied)},
	}
	overBoth(t, rpc.Options{}, &services{}, func(t *testing.T, m *mesh) {
		for _, c := range cases {
			for name, do := range calls {
				ctx := t.Context()
				if c.key != "" {
					ctx = auth.WithKey(ctx, c.key)
				}
				if c.peer != "" {
					ctx = metadata.AppendToOutgoingContext(ctx, meta.InternalPeer, c.peer)
				}
				if got := reasonOf(do(ctx, m.raw)); got != c.want[name] {
					t.Errorf("%s, %s: %v, want %v", c.name, name, got, c.want[name])
				}
			}
		}
	})
}

func peerValue(name string) string {
	_, v, _ := auth.PeerCredentials(name, secret()).Metadata()
	return v
}

func foreignPeer() string {
	_, v, _ := auth.PeerCredentials("gateway", auth.Secret(wrongSecret)).Metadata()
	return v
}

func reasonOf(err error) errorsv1.Reason {
	if err == nil {
		return ok
	}
	return fault.From(err).Reason
}

func TestRelayCarriesThePrincipal(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 2)
	s := &services{relay: func(_ *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
		p, _ := auth.FromContext(w.Context())
		seen <- p.KeyID
		return nil
	}}
	overBoth(t, rpc.Options{}, s, func(t *testing.T, m *mesh) {
		if err := relay(asClient(t.Context()), m.inside); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != "k2" {
			t.Errorf("the handler saw the key id %q", got)
		}
	})
}

func TestLogHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	overBoth(t, rpc.Options{}, &services{}, func(t *testing.T, m *mesh) {
		ctx := meta.WithRequestID(asClient(t.Context()), "req_log")
		if err := chat(ctx, m.inside); err != nil {
			t.Fatal(err)
		}
		if err := relay(auth.WithKey(t.Context(), "hg_bad_key"), m.inside); err == nil {
			t.Fatal("an unknown key was accepted")
		}
		assertLog(t, m.log.String(),
			[]string{`"request_id":"req_log"`, `"principal":"app"`, `"peer":"gateway"`, `"code":"OK"`, `"reason":"INVALID_API_KEY"`},
			[]string{clientKey, "hg_bad_key", peerValue("gateway")})
	})
}

// TestQuickRefusalKeepsItsReason: a call may be refused before its message was sent.
func TestQuickRefusalKeepsItsReason(t *testing.T) {
	t.Parallel()
	overBoth(t, rpc.Options{}, &services{}, func(t *testing.T, m *mesh) {
		for range 300 {
			if got := reasonOf(relay(t.Context(), m.raw)); got != denied {
				t.Fatalf("got %v", got)
			}
		}
	})
}
