package rpc_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/kit/telemetry"
)

const (
	adminKey  = "hg_test_admin"
	clientKey = "hg_test_client"
	viewerKey = "hg_test_viewer"
)

// secret is the root of the mesh under test.
func secret() auth.Secret { return auth.Secret("a root secret for tests, 32 byte") }

// keyring is a Verifier with one key of each role.
type keyring struct{}

func (keyring) Verify(_ context.Context, key string) (auth.Principal, error) {
	switch key {
	case adminKey:
		return auth.Principal{Name: "boss", Role: accessv1.Role_ROLE_ADMIN, KeyID: "k1"}, nil
	case clientKey:
		return auth.Principal{Name: "app", Role: accessv1.Role_ROLE_CLIENT, KeyID: "k2"}, nil
	case viewerKey:
		return auth.Principal{Name: "eyes", Role: accessv1.Role_ROLE_VIEWER, KeyID: "k3"}, nil
	}
	return auth.Principal{}, fault.New(errorsv1.Reason_REASON_INVALID_API_KEY, "the API key isn't valid")
}

// services is what a test registers; functions it leaves out answer UNIMPLEMENTED.
type services struct {
	routerv1.UnimplementedRouterServiceServer
	routerv1.UnimplementedRelayServiceServer
	testpb.UnimplementedTestServiceServer

	chat       func(context.Context, *routerv1.ChatRequest) (*routerv1.ChatResponse, error)
	streamChat func(*routerv1.StreamChatRequest, grpc.ServerStreamingServer[routerv1.StreamChatResponse]) error
	relay      func(*routerv1.RelayRequest, grpc.ServerStreamingServer[routerv1.RelayResponse]) error
	unary      func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	upload     func(grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error
	duplex     func(grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error
}

func (s *services) Chat(ctx context.Context, r *routerv1.ChatRequest) (*routerv1.ChatResponse, error) {
	if s.chat == nil {
		return &routerv1.ChatResponse{}, nil
	}
	return s.chat(ctx, r)
}

func (s *services) StreamChat(r *routerv1.StreamChatRequest, w grpc.ServerStreamingServer[routerv1.StreamChatResponse]) error {
	return s.streamChat(r, w)
}

func (s *services) Relay(r *routerv1.RelayRequest, w grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
	if s.relay == nil {
		return w.Send(&routerv1.RelayResponse{Data: r.GetBody()})
	}
	return s.relay(r, w)
}

func (s *services) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if s.unary == nil {
		return &testpb.SimpleResponse{Payload: r.GetPayload()}, nil
	}
	return s.unary(ctx, r)
}

func (s *services) StreamingInputCall(w grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
	return s.upload(w)
}

func (s *services) FullDuplexCall(w grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	return s.duplex(w)
}

// mesh is a server and ways to it.
type mesh struct {
	server *rpc.Server
	// raw reaches the server without credentials, inside as a process of the mesh.
	raw, inside grpc.ClientConnInterface
	log         *syncBuffer
}

// client returns a connection that presents a caller's key.
func (m *mesh) router() routerv1.RouterServiceClient {
	return routerv1.NewRouterServiceClient(m.inside)
}

func (m *mesh) relay() routerv1.RelayServiceClient { return routerv1.NewRelayServiceClient(m.inside) }
func (m *mesh) internal() testpb.TestServiceClient { return testpb.NewTestServiceClient(m.inside) }
func asClient(ctx context.Context) context.Context { return auth.WithKey(ctx, clientKey) }
func shareRelay(m proto.Message) bool {
	switch m.(type) {
	case *routerv1.RelayRequest, *routerv1.RelayResponse:
		return true
	}
	return false
}

// overBoth runs a test in process and over a connection.
func overBoth(t *testing.T, o rpc.Options, s *services, test func(t *testing.T, m *mesh)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		test(t, inProcess(t, o, s))
	})
	t.Run("over a connection", func(t *testing.T) {
		t.Parallel()
		test(t, overTCP(t, o, s))
	})
}

func newServer(tb testing.TB, o rpc.Options, s *services) *mesh {
	tb.Helper()
	m := &mesh{log: &syncBuffer{}}
	if o.Logger == nil {
		logger, err := telemetry.Logger(m.log, "debug", "json")
		if err != nil {
			tb.Fatal(err)
		}
		o.Logger = logger
	}
	o.Verifier, o.Peers, o.ShareMessage = keyring{}, auth.NewPeerVerifier(secret()), shareRelay
	m.server = rpc.NewServer(o)
	routerv1.RegisterRouterServiceServer(m.server, s)
	routerv1.RegisterRelayServiceServer(m.server, s)
	testpb.RegisterTestServiceServer(m.server, s)
	return m
}

func credentials() auth.Credentials { return auth.PeerCredentials("gateway", secret()) }

func inProcess(tb testing.TB, o rpc.Options, s *services) *mesh {
	tb.Helper()
	m := newServer(tb, o, s)
	m.raw = peer.InProcess(m.server.InProcess(), peer.Options{})
	m.inside = peer.InProcess(m.server.InProcess(), peer.Options{Credentials: credentials()})
	return m
}

func overTCP(tb testing.TB, o rpc.Options, s *services) *mesh {
	tb.Helper()
	m := newServer(tb, o, s)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- m.server.Serve(ctx, lis) }()
	m.raw = dial(tb, lis, peer.Options{})
	m.inside = dial(tb, lis, peer.Options{Credentials: credentials()})
	tb.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	return m
}

func dial(tb testing.TB, lis net.Listener, o peer.Options) *peer.Conn {
	tb.Helper()
	conn, err := peer.Dial(peer.Config{Address: lis.Addr().String()}, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
