package keys_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/keyring"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/keys"
)

const (
	adminKey = "an administrator's key from the environment"

	notFound    = errorsv1.Reason_REASON_NOT_FOUND
	denied      = errorsv1.Reason_REASON_PERMISSION_DENIED
	exceeds     = errorsv1.Reason_REASON_EXCEEDS_OWN_RIGHTS
	badKey      = errorsv1.Reason_REASON_INVALID_API_KEY
	badField    = errorsv1.Reason_REASON_INVALID_FIELD
	noField     = errorsv1.Reason_REASON_MISSING_FIELD
	unavailable = errorsv1.Reason_REASON_SERVICE_UNAVAILABLE

	roleAdmin  = accessv1.Role_ROLE_ADMIN
	roleViewer = accessv1.Role_ROLE_VIEWER
	roleClient = accessv1.Role_ROLE_CLIENT
)

func secret() auth.Secret { return auth.Secret("a root secret for tests, 32 byte") }

// mesh is the service as a process has it: a server, and a keyring that verifies the callers of this very service.
type mesh struct {
	t       testing.TB
	service *keys.Service
	server  *rpc.Server
	ring    *keyring.Keyring
	client  keysv1.KeyServiceClient
}

// switchable is a verifier that is chosen after the server was made.
type switchable struct{ auth.Verifier }

// VerifyID implements auth.IDVerifier with the one that was chosen.
func (s *switchable) VerifyID(ctx context.Context, id string) (auth.Principal, error) {
	return auth.VerifyID(ctx, s.Verifier, id)
}

// newMesh runs the service on a data directory; an empty one keeps keys in memory.
func newMesh(t testing.TB, dir string, clock func() time.Time) *mesh {
	t.Helper()
	cfg := keys.Config{}
	if dir == "" {
		cfg.Store = "memory"
	}
	hasher := apikey.NewHasher(secret())
	service, err := keys.New(cfg, keys.Deps{Hasher: hasher, DataDir: dir, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	verifier := &switchable{auth.FirstOf()}
	m := &mesh{t: t, service: service}
	m.server = rpc.NewServer(rpc.Options{
		Name: "keys", Verifier: verifier, Peers: auth.NewPeerVerifier(secret()), DrainTimeout: 5 * time.Second,
		Validate: func(_ string, msg proto.Message) error { return service.Validate(msg) },
	})
	service.Register(m.server)
	m.client = keysv1.NewKeyServiceClient(peer.InProcess(m.server.InProcess(), peer.Options{}))
	m.ring = keyring.New(m.watchers(), hasher, keyring.Options{Clock: clock})
	verifier.Verifier = auth.FirstOf(auth.NewAdminKey(adminKey), m.ring)
	m.run(m.ring.Run)
	t.Cleanup(func() {
		if err := service.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

// watchers is a client of the feed, with a credential of the mesh.
func (m *mesh) watchers() keysv1.KeyServiceClient {
	return keysv1.NewKeyServiceClient(peer.InProcess(m.server.InProcess(), peer.Options{
		Credentials: auth.PeerCredentials("router", secret()),
	}))
}

// run runs something beside the test until its end.
func (m *mesh) run(f func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); err != nil {
			m.t.Errorf("Run: %v", err)
		}
	})
	m.t.Cleanup(func() {
		stop()
		wg.Wait()
	})
}

// listen serves on loopback too, until the test ends.
func (m *mesh) listen() (addr string) {
	m.t.Helper()
	lis, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		m.t.Fatal(err)
	}
	m.run(func(ctx context.Context) error { return m.server.Serve(ctx, lis) })
	return lis.Addr().String()
}

// dial connects over TCP as a process of the mesh.
func (m *mesh) dial(addr string) grpc.ClientConnInterface {
	m.t.Helper()
	conn, err := peer.Dial(peer.Config{Address: addr}, peer.Options{Credentials: auth.PeerCredentials("router", secret())})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// as presents a key.
func as(key string) context.Context { return auth.WithKey(context.Background(), key) }

// asAdmin presents the administrator's key from the environment.
func asAdmin() context.Context { return as(adminKey) }

// create makes a key that must be made, and waits until the mesh knows it.
func (m *mesh) create(ctx context.Context, r *keysv1.CreateKeyRequest) (*keysv1.Key, string) {
	m.t.Helper()
	if r.Name == "" {
		r.Name = "a key"
	}
	made, err := m.client.CreateKey(ctx, r)
	if err != nil {
		m.t.Fatalf("CreateKey: %v", err)
	}
	m.eventually("a new key is known", func() bool { _, err := m.ring.Verify(ctx, made.GetSecret()); return err == nil })
	return made.GetKey(), made.GetSecret()
}

// eventually waits until a condition holds.
func (m *mesh) eventually(what string, holds func() bool) {
	m.t.Helper()
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		<-tick.C
		if time.Since(began) > 20*time.Second {
			m.t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func reason(err error) errorsv1.Reason {
	if err == nil {
		return errorsv1.Reason_REASON_UNSPECIFIED
	}
	return fault.From(err).Reason
}

func field(err error) string {
	if err == nil {
		return ""
	}
	return fault.From(err).Metadata["field"]
}

// refused checks reason and field of an error.
func refused(t *testing.T, name string, err error, want errorsv1.Reason, wantField string) {
	t.Helper()
	if reason(err) != want || field(err) != wantField {
		t.Errorf("%s: %v (%s), want %v (%s)", name, err, field(err), want, wantField)
	}
}
