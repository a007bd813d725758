package keyring_test

import (
	"bytes"
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/keyring"
)

var _ auth.Verifier = (*keyring.Remote)(nil)

// asked is a keys service that answers VerifyKey.
type asked struct {
	keysv1.KeyServiceClient
	calls  int
	hash   []byte
	answer *keysv1.VerifyKeyResponse
	err    error
}

func (a *asked) VerifyKey(_ context.Context, r *keysv1.VerifyKeyRequest, _ ...grpc.CallOption) (*keysv1.VerifyKeyResponse, error) {
	a.calls, a.hash = a.calls+1, r.GetSecretHash()
	return a.answer, a.err
}

func TestRemote(t *testing.T) {
	t.Parallel()
	a := issue(hasher(), "key_a")
	key := a.credential.Key
	gone := &keysv1.Key{Id: "key_a", RevokedAt: timestamppb.Now()}
	cases := []struct {
		name, secret string
		service      asked
		want         string
		calls        int
	}{
		{"none", "", asked{}, "MISSING_API_KEY", 0},
		{"malformed", a.secret[:len(a.secret)-1] + "*", asked{}, bad, 0},
		{"one character changed", a.secret[:20] + "0" + a.secret[21:], asked{}, bad, 0},
		{"valid", a.secret, asked{answer: &keysv1.VerifyKeyResponse{Valid: true, Key: key}}, fine, 1},
		{"nobody's", a.secret, asked{answer: &keysv1.VerifyKeyResponse{}}, bad, 1},
		{"expired", a.secret, asked{answer: &keysv1.VerifyKeyResponse{Key: key}}, bad, 1},
		{"revoked", a.secret, asked{answer: &keysv1.VerifyKeyResponse{Key: gone}}, bad, 1},
		{"nobody answers", a.secret, asked{err: errDown}, off, 1},
	}
	for _, c := range cases {
		if c.calls == 0 && c.secret == a.secret {
			continue // the one character was that already
		}
		p, err := keyring.NewRemote(&c.service, hasher()).Verify(t.Context(), c.secret)
		if got := reason(err).String(); got != "REASON_"+c.want || c.service.calls != c.calls {
			t.Errorf("%s: %v after %d calls", c.name, err, c.service.calls)
		}
		if c.want == fine && (p.KeyID != "key_a" || p.Tenant != "acme" || p.Limits.GetRequestsPerMinute() != 60) {
			t.Errorf("%s: %+v", c.name, p)
		}
		if want := hasher().Hash(a.secret); c.calls > 0 && !bytes.Equal(c.service.hash, want[:]) {
			t.Errorf("%s: what is sent isn't the hash", c.name)
		}
	}
	if _, err := keyring.NewRemote(&asked{}, hasher()).Verify(t.Context(), apikey.New("live")); reason(err) != invalid {
		t.Errorf("a stranger's: %v", err)
	}
}
