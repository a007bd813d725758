package peer_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/peer"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestForeignSecret: that a service refuses this process's own credential is no fault of whoever called, and the log hears
// of it once, not with each call.
func TestForeignSecret(t *testing.T) {
	t.Parallel()
	addr, log := serve(t, nil), &lines{}
	conn, err := peer.Dial(peer.Config{Address: addr}, peer.Options{
		Credentials: auth.PeerCredentials("gateway", auth.Secret("fedcba9876543210")), Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	client := testpb.NewTestServiceClient(conn)
	for range 5 {
		_, err := client.EmptyCall(ctx, &testpb.Empty{})
		refused(t, "a unary call", err)
		stream, err := client.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		refused(t, "a stream", err)
		stream, err = client.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		if err == nil {
			err = peer.Each[testpb.StreamingOutputCallRequest](stream, func(*testpb.StreamingOutputCallResponse) error { return nil }, nil)
		}
		refused(t, "a stream that is taken whole", err)
	}
	const want = "doesn't take this process for one of the mesh: is HEADGATE_SECRET the same?"
	if got := log.String(); strings.Count(got, want) != 1 || !strings.Contains(got, "the service at "+addr) {
		t.Errorf("the log says:\n%s", got)
	}
}

func refused(t *testing.T, what string, err error) {
	t.Helper()
	if f := fault.From(err); status.Code(err) != codes.Unavailable || f.Reason != errorsv1.Reason_REASON_SERVICE_UNAVAILABLE || strings.Contains(f.Message, "credential") {
		t.Errorf("%s: %v", what, err)
	}
}

// TestNoCredential: who has none and calls what is internal is told so.
func TestNoCredential(t *testing.T) {
	t.Parallel()
	conn, err := peer.Dial(peer.Config{Address: serve(t, nil)}, peer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, credential := range []string{"", "gateway " + strings.Repeat("0", 64)} {
		ctx := ctx
		if credential != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, meta.InternalPeer, credential)
		}
		if _, err := testpb.NewTestServiceClient(conn).EmptyCall(ctx, &testpb.Empty{}); status.Code(err) != codes.PermissionDenied || !auth.RefusesPeer(err) {
			t.Errorf("%q: %v", credential, err)
		}
	}
	denied := fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED, "a key with this role may not call this method")
	if auth.RefusesPeer(denied) || auth.RefusesPeer(nil) {
		t.Error("a key's refusal is taken for a peer's")
	}
}
