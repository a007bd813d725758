package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// purposePeer is what peer tokens are derived for.
const purposePeer = "peer"

// PeerVerifier tells the processes of the mesh from everybody else. VerifyPeer takes the value of the metadata
// x-headgate-internal-peer and returns the process's name, or an *fault.Error with PERMISSION_DENIED. It is safe for
// concurrent use.
type PeerVerifier interface {
	VerifyPeer(ctx context.Context, credential string) (name string, err error)
}

// Credentials is what a process attaches to its calls to prove that it belongs to the mesh. The zero value attaches
// nothing.
type Credentials struct{ value string }

// PeerCredentials returns the credentials of the process with this name: an HMAC-SHA256 of the name under a key that is
// derived from the secret, so a token proves one name only. Spaces in the name are refused by the verifier.
func PeerCredentials(name string, s Secret) Credentials {
	return Credentials{value: name + " " + hex.EncodeToString(peerToken(s.Derive(purposePeer), name))}
}

// Metadata returns the key and the value to attach; false for the zero value.
func (c Credentials) Metadata() (key, value string, ok bool) {
	return meta.InternalPeer, c.value, c.value != ""
}

// String returns "[redacted]".
func (Credentials) String() string { return redacted }

// GoString returns "[redacted]".
func (Credentials) GoString() string { return redacted }

func peerToken(key []byte, name string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(name))
	return mac.Sum(nil)
}

// NewPeerVerifier returns a verifier for tokens made from any of the secrets: the present one and, while it is being
// replaced, the one before. Comparison is in constant time.
func NewPeerVerifier(secrets ...Secret) PeerVerifier {
	v := &peers{}
	for _, s := range secrets {
		v.keys = append(v.keys, s.Derive(purposePeer))
	}
	return v
}

type peers struct {
	keys [][]byte
	// known maps a name that has proved itself to the token it used. Only proven names enter it, so it holds as many
	// entries as the mesh has processes.
	known sync.Map // string -> []byte
}

// VerifyPeer reads "<name> <hex token>".
func (p *peers) VerifyPeer(_ context.Context, credential string) (string, error) {
	name, text, ok := strings.Cut(credential, " ")
	if !ok || name == "" || len(text) != 2*sha256.Size {
		return "", notAPeer()
	}
	var token [sha256.Size]byte
	if _, err := hex.Decode(token[:], []byte(text)); err != nil {
		return "", notAPeer()
	}
	if want, ok := p.known.Load(name); ok && hmac.Equal(want.([]byte), token[:]) {
		return name, nil
	}
	return p.prove(name, token)
}

// prove computes the token under every key, and remembers one that matches.
func (p *peers) prove(name string, token [sha256.Size]byte) (string, error) {
	for _, key := range p.keys {
		want := peerToken(key, name)
		if hmac.Equal(want, token[:]) {
			p.known.Store(strings.Clone(name), want)
			return name, nil
		}
	}
	return "", notAPeer()
}

// The metadata of a refusal that is about the peer credential, not about anybody's key.
const (
	metadataCredential = "credential"
	credentialPeer     = "peer"
)

func notAPeer() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED,
		"this method is internal to Headgate, and the call has no valid peer credential").With(metadataCredential, credentialPeer)
}

// RefusesPeer reports whether a call failed because of its peer credential: where it carried one, the two processes don't
// have the same root secret.
func RefusesPeer(err error) bool {
	f := fault.From(err)
	return f != nil && f.Reason == errorsv1.Reason_REASON_PERMISSION_DENIED && f.Metadata[metadataCredential] == credentialPeer
}
