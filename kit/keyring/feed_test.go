package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const (
	none        = errorsv1.Reason_REASON_UNSPECIFIED
	missing     = errorsv1.Reason_REASON_MISSING_API_KEY
	invalid     = errorsv1.Reason_REASON_INVALID_API_KEY
	unavailable = errorsv1.Reason_REASON_SERVICE_UNAVAILABLE
)

func reason(err error) errorsv1.Reason {
	if err == nil {
		return none
	}
	return fault.From(err).Reason
}

func hasher() *apikey.Hasher {
	return apikey.NewHasher(auth.Secret("a root secret for tests, 32 byte"))
}

// issued is a key and what the feed says of it.
type issued struct {
	secret     string
	credential *keysv1.Credential
}

func (k issued) id() string { return k.credential.GetKey().GetId() }

// issue makes a key by its id.
func issue(h *apikey.Hasher, id string) issued {
	secret := apikey.New("test")
	hash := h.Hash(secret)
	return issued{secret, &keysv1.Credential{SecretHash: hash[:], Key: &keysv1.Key{
		Id: id, Name: "name of " + id, Tenant: "acme", Role: accessv1.Role_ROLE_CLIENT, Models: []string{"claude-*"},
		Limits: &ratelimitv1.Limits{RequestsPerMinute: 60},
	}}}
}

func (k issued) expiring(at time.Time) issued {
	k.credential.Key.ExpiresAt = timestamppb.New(at)
	return k
}

// rotated is the key with another secret, beside which the one before is valid until a time; not at all, where that is zero.
func (k issued) rotated(h *apikey.Hasher, until time.Time) issued {
	next := issue(h, k.id())
	next.credential.Key.RotatedAt = timestamppb.New(time.Now())
	if !until.IsZero() {
		next.credential.OldSecretHash = k.credential.GetSecretHash()
		next.credential.Key.OldSecretExpiresAt = timestamppb.New(until)
	}
	return next
}

// many makes n keys.
func many(h *apikey.Hasher, n int) []issued {
	list := make([]issued, n)
	for i := range list {
		list[i] = issue(h, fmt.Sprintf("key_%d", i))
	}
	return list
}

// snapshot is one message with all keys.
func snapshot(list ...issued) *keysv1.WatchResponse {
	m := added(list...)
	m.SnapshotComplete = true
	return m
}

func added(list ...issued) *keysv1.WatchResponse {
	m := &keysv1.WatchResponse{}
	for _, k := range list {
		m.Credentials = append(m.Credentials, k.credential)
	}
	return m
}

func revoked(ids ...string) *keysv1.WatchResponse { return &keysv1.WatchResponse{RevokedIds: ids} }

// scripted is a keys service without a network. Every Watch shows on opened and then gets what is sent to feeds.
type scripted struct {
	keysv1.KeyServiceClient
	// opened counts calls of Watch; they fail while down is set.
	opened chan struct{}
	down   atomic.Bool
	feed   chan *keysv1.WatchResponse
}

func newScripted() *scripted {
	return &scripted{opened: make(chan struct{}, 10_000), feed: make(chan *keysv1.WatchResponse)}
}

func (s *scripted) Watch(ctx context.Context, _ *keysv1.WatchRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[keysv1.WatchResponse], error) {
	s.opened <- struct{}{}
	if s.down.Load() {
		return nil, errDown
	}
	return &scriptedStream{ctx: ctx, feed: s.feed}, nil
}

var errDown = errors.New("connection refused")

// scriptedStream is one Watch. A nil message is its end.
type scriptedStream struct {
	grpc.ServerStreamingClient[keysv1.WatchResponse]
	ctx  context.Context
	feed chan *keysv1.WatchResponse
}

func (s *scriptedStream) Recv() (*keysv1.WatchResponse, error) {
	select {
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	case m := <-s.feed:
		if m == nil {
			return nil, io.EOF
		}
		return m, nil
	}
}
