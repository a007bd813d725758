package peer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
)

// capture is a channel that notes the metadata of a call.
type capture struct {
	md       metadata.MD
	deadline time.Time
	err      error
}

func (c *capture) Invoke(ctx context.Context, _ string, _, _ any, _ ...grpc.CallOption) error {
	c.md, _ = metadata.FromOutgoingContext(ctx)
	c.deadline, _ = ctx.Deadline()
	return c.err
}

func (c *capture) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	c.md, _ = metadata.FromOutgoingContext(ctx)
	return nil, c.err
}

func TestWhatACallCarries(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": parent})
	ctx = metadata.AppendToOutgoingContext(meta.WithRequestID(auth.WithKey(ctx, "k"), "req_1"), "x-own", "1")
	c := &capture{}
	conn := peer.InProcess(c, peer.Options{Credentials: auth.PeerCredentials("gw", auth.Secret("0123456789abcdef")), Timeout: time.Minute})
	if err := conn.Invoke(ctx, "/a.B/C", nil, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		meta.XRequestID: "req_1", meta.Authorization: "Bearer k", meta.TraceParent: parent, meta.InternalPeer: "gw ", "x-own": "1",
	} {
		if got := c.md.Get(name); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if left := time.Until(c.deadline); left > time.Minute || left < 50*time.Second {
		t.Errorf("deadline in %v", left)
	}
	near, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _ = conn.Invoke(near, "/a.B/C", nil, nil); time.Until(c.deadline) > time.Second {
		t.Error("the caller's own deadline isn't kept")
	}
	if _ = peer.InProcess(c, peer.Options{}).Invoke(t.Context(), "/a.B/C", nil, nil); len(c.md) != 0 {
		t.Errorf("a call with nothing to carry has %v", c.md)
	}
}

func TestContextErrorsAreStatuses(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]codes.Code{context.Canceled: codes.Canceled, context.DeadlineExceeded: codes.DeadlineExceeded} {
		conn := peer.InProcess(&capture{err: err}, peer.Options{})
		_, streamErr := conn.NewStream(t.Context(), &grpc.StreamDesc{}, "/a.B/C")
		if unaryErr := conn.Invoke(t.Context(), "/a.B/C", nil, nil); status.Code(unaryErr) != want || status.Code(streamErr) != want {
			t.Errorf("%v: %v, %v", err, unaryErr, streamErr)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{"h:1": true, "127.0.0.1:1": true, "unix:/x": true, "h:1, i:2": true, "": false, "h": false, "h:1,i": false, "h:1,": false, "h:65536": false, "h:0": false, "h:1,i:x": false} {
		if err := (peer.Config{Address: address}).Validate(); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := peer.Dial(peer.Config{Address: "h:1", CAFile: "none"}, peer.Options{}); err == nil {
		t.Error("a missing CA file is accepted")
	}
}

func TestAbsentServerFailsAtOnce(t *testing.T) {
	t.Parallel()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = lis.Close()
	conn, err := peer.Dial(peer.Config{Address: lis.Addr().String()}, peer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := conn.Invoke(ctx, "/a.B/C", &testpb.Empty{}, &testpb.Empty{}); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	if conn.Ready() {
		t.Error("ready without a server")
	}
}

// TestSeveralAddresses: calls go to those that are there, and whoever is there takes turns.
func TestSeveralAddresses(t *testing.T) {
	t.Parallel()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = lis.Close() // nobody is there
	ca, config := authority(t)
	conn, err := peer.Dial(peer.Config{Address: serve(t, config) + "," + lis.Addr().String() + ", " + serve(t, config), CAFile: ca},
		peer.Options{Credentials: auth.PeerCredentials("x", auth.Secret("0123456789abcdef"))})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	servers := make(map[string]int)
	for range 100 {
		var at grpcpeer.Peer
		if _, err := testpb.NewTestServiceClient(conn).EmptyCall(ctx, &testpb.Empty{}, grpc.Peer(&at)); err != nil {
			t.Fatal(err)
		}
		servers[at.Addr.String()]++
	}
	if len(servers) > 2 || len(servers) == 0 {
		t.Errorf("%v", servers)
	}
}

// TestTransportSecurity serves TLS and plaintext on loopback and tries each kind of client.
func TestTransportSecurity(t *testing.T) {
	t.Parallel()
	ca, config := authority(t)
	secure, plain := serve(t, config), serve(t, nil)
	cases := []struct {
		name string
		c    peer.Config
		want codes.Code
	}{
		{"TLS with its CA", peer.Config{Address: secure, CAFile: ca}, codes.OK},
		{"plaintext to loopback", peer.Config{Address: plain}, codes.OK},
		{"plaintext by name", peer.Config{Address: plain, Plaintext: true}, codes.OK},
		{"a CA asks for TLS, even with plaintext set", peer.Config{Address: plain, CAFile: ca, Plaintext: true}, codes.Unavailable},
		{"plaintext to TLS", peer.Config{Address: secure}, codes.Unavailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, err := peer.Dial(c.c, peer.Options{Credentials: auth.PeerCredentials("x", auth.Secret("0123456789abcdef"))})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := testpb.NewTestServiceClient(conn).EmptyCall(ctx, &testpb.Empty{}); status.Code(err) != c.want {
				t.Errorf("got %v", err)
			}
			if conn.Ready() != (c.want == codes.OK) {
				t.Errorf("ready: %v", conn.Ready())
			}
		})
	}
}

type empty struct {
	testpb.UnimplementedTestServiceServer
}

func (empty) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, nil
}

func serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := rpc.NewServer(rpc.Options{TLS: config, Peers: auth.NewPeerVerifier(auth.Secret("0123456789abcdef"))})
	testpb.RegisterTestServiceServer(s, empty{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, lis) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return lis.Addr().String()
}

// authority makes a self-signed certificate for 127.0.0.1 and returns its file and a server's configuration.
func authority(t *testing.T) (string, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}
