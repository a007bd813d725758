package apikey

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"

	"github.com/headgate-mesh/headgate/kit/auth"
)

// purposeHash is what the key of the hashes is derived for. Stored hashes depend on it.
const purposeHash = "api key hash"

// Hash is what is stored of an API key and what it is looked up by. It tells nothing of the key to whoever doesn't have
// the mesh's root secret.
type Hash [sha256.Size]byte

// Hasher makes hashes of API keys: HMAC-SHA-256 under a key derived from the root secret. It is safe for concurrent use.
type Hasher struct {
	// states are MACs that have absorbed the derived key, which is half of the work.
	states sync.Pool
}

// NewHasher returns the hasher of a mesh. An empty secret gives one whose hashes nobody else can make.
func NewHasher(s auth.Secret) *Hasher {
	derived := s.Derive(purposeHash)
	h := &Hasher{}
	h.states.New = func() any { return &state{mac: hmac.New(sha256.New, derived)} }
	return h
}

// Hash returns the hash of a key. It allocates nothing, once warm, for keys of the length that [New] makes.
func (h *Hasher) Hash(key string) Hash {
	s := h.states.Get().(*state)
	sum := s.hash(key)
	h.states.Put(s)
	return sum
}

// state is one MAC and the room it works in: what is handed to an interface has to live on the heap.
type state struct {
	mac hash.Hash
	key [len(Prefix) + envMax + 1 + bodyLen]byte
	sum Hash
}

func (s *state) hash(key string) Hash {
	s.mac.Reset()
	s.mac.Write(append(s.key[:0], key...))
	s.mac.Sum(s.sum[:0])
	clear(s.key[:]) // a pool must not be a place where keys lie about
	return s.sum
}
