package keyring_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/keyring"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
)

// service is a keys service with a fixed snapshot and a feed that a test speaks.
type service struct {
	keysv1.UnimplementedKeyServiceServer
	snapshot *keysv1.WatchResponse
	feed     chan *keysv1.WatchResponse
}

func (s *service) Watch(_ *keysv1.WatchRequest, stream grpc.ServerStreamingServer[keysv1.WatchResponse]) error {
	if err := stream.Send(s.snapshot); err != nil {
		return err
	}
	for {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case m := <-s.feed:
			if err := stream.Send(m); err != nil {
				return err
			}
		}
	}
}

func meshSecret() auth.Secret { return auth.Secret("a root secret for tests, 32 byte") }

func newServer(s *service) *rpc.Server {
	server := rpc.NewServer(rpc.Options{Name: "keys", Peers: auth.NewPeerVerifier(meshSecret()), DrainTimeout: time.Millisecond})
	keysv1.RegisterKeyServiceServer(server, s)
	return server
}

// follow runs a keyring on a connection; stop ends it and waits.
func follow(t *testing.T, conn grpc.ClientConnInterface, o keyring.Options) (k *keyring.Keyring, stop func()) {
	t.Helper()
	k = keyring.New(keysv1.NewKeyServiceClient(conn), hasher(), o)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := k.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return k, func() {
		cancel()
		wg.Wait()
	}
}

// eventually waits until a condition holds and returns how long that took.
func eventually(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		<-tick.C
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
	return time.Since(began)
}

func accepts(k *keyring.Keyring, secret string) func() bool {
	return func() bool { _, err := k.Verify(context.Background(), secret); return err == nil }
}

func refuses(k *keyring.Keyring, secret string) func() bool {
	return func() bool { _, err := k.Verify(context.Background(), secret); return reason(err) == invalid }
}

func TestInProcess(t *testing.T) {
	t.Parallel()
	a, b := issue(hasher(), "key_a"), issue(hasher(), "key_b")
	s := &service{snapshot: snapshot(a), feed: make(chan *keysv1.WatchResponse)}
	k, stop := follow(t, peer.InProcess(newServer(s).InProcess(), peer.Options{
		Credentials: auth.PeerCredentials("router", meshSecret()),
	}), keyring.Options{})
	defer stop()
	eventually(t, "the snapshot", accepts(k, a.secret))
	s.feed <- added(b)
	eventually(t, "a new key", accepts(k, b.secret))
	s.feed <- revoked("key_a")
	eventually(t, "a revoked key", refuses(k, a.secret))
}

// TestWithoutPeerCredential: the feed is internal, so such a keyring never becomes ready and says so.
func TestWithoutPeerCredential(t *testing.T) {
	t.Parallel()
	a := issue(hasher(), "key_a")
	s := &service{snapshot: snapshot(a)}
	k, stop := follow(t, peer.InProcess(newServer(s).InProcess(), peer.Options{}), keyring.Options{})
	defer stop()
	if _, err := k.Verify(t.Context(), a.secret); reason(err) != unavailable || k.Ready() == nil {
		t.Errorf("%v, ready %v", err, k.Ready())
	}
}

// TestKilledAndRestarted: the server dies in the middle of the feed, and comes back on the same address without a key.
func TestKilledAndRestarted(t *testing.T) {
	t.Parallel()
	a, b := issue(hasher(), "key_a"), issue(hasher(), "key_b")
	lis := listenOn(t, "127.0.0.1:0")
	addr := lis.Addr().String()
	kill := serve(t, newServer(&service{snapshot: snapshot(a, b)}), lis)
	conn, err := peer.Dial(peer.Config{Address: addr}, peer.Options{Credentials: auth.PeerCredentials("router", meshSecret())})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	k, stop := follow(t, conn, keyring.Options{Silence: time.Second})
	defer stop()
	eventually(t, "the snapshot", accepts(k, a.secret))

	kill()
	eventually(t, "staleness", k.Stale)
	if _, err := k.Verify(t.Context(), a.secret); err != nil || k.Ready() != nil {
		t.Errorf("without a server: %v, ready %v", err, k.Ready())
	}
	kill = serve(t, newServer(&service{snapshot: snapshot(b)}), listenOn(t, addr))
	defer kill()
	took := eventually(t, "the key that vanished", refuses(k, a.secret))
	if _, err := k.Verify(t.Context(), b.secret); err != nil || k.Stale() {
		t.Errorf("with the new server: %v, stale %v", err, k.Stale())
	}
	t.Logf("caught up %v after the restart", took)
	if took > 5*time.Second {
		t.Errorf("caught up after %v, promised are 5 s", took)
	}
}

func listenOn(t *testing.T, addr string) net.Listener {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

// serve returns what ends the server, its calls included.
func serve(t *testing.T, server *rpc.Server, lis net.Listener) (kill func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(ctx, lis) })
	return func() {
		cancel()
		wg.Wait()
	}
}
