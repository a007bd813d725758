package keyring

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
)

// shards is how many pieces the table is in. A change copies one piece: 1/4096 of all keys.
const shards = 1 << 12

// table finds keys by their hashes. Readers never wait: each piece is replaced as a whole. One goroutine writes. It is
// made to touch little memory, which is what a lookup among many keys costs: a Go map takes twice as many steps from
// pointer to pointer.
type table struct {
	pieces [shards]atomic.Pointer[piece]
	size   atomic.Int64
	// ids are the keys by id; the lock is for who reads them beside the writer.
	mu  sync.RWMutex
	ids map[string]*credential
	// limits are those of the key that came last. Many keys have equal ones, and share them where they come in a row.
	limits *ratelimitv1.Limits
	// shared says whether readers see the table yet; it is for the writer alone.
	shared bool
}

// piece holds the keys whose hashes begin alike, in no order. It doesn't change once readers can see it.
type piece []entry

// entry is one key and eight bytes of its hash, so that few others have to be looked at.
type entry struct {
	tag uint64
	key *credential
}

// credential is one key, ready to be handed out. It doesn't change.
type credential struct {
	hash      apikey.Hash
	principal auth.Principal
}

func newTable() *table { return &table{ids: make(map[string]*credential)} }

// shard takes twelve bits of the hash, which is as good as random, and tag others.
func shard(h *apikey.Hash) int  { return int(h[0])<<4 | int(h[1])>>4 }
func tag(h *apikey.Hash) uint64 { return binary.NativeEndian.Uint64(h[8:]) }

// find returns the key with a hash, nil where there is none. The hash is a MAC: how long it takes to look for it tells
// nobody anything about a key they don't have.
func (t *table) find(h apikey.Hash) *credential {
	p := t.pieces[shard(&h)].Load()
	if p == nil {
		return nil
	}
	want := tag(&h)
	for _, e := range *p {
		if e.tag == want && e.key.hash == h {
			return e.key
		}
	}
	return nil
}

// byID returns a key by its id, nil where there is none.
func (t *table) byID(id string) *credential {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.ids[id]
}

// apply takes over what one message says: first the keys that are valid, then those that aren't any more.
func (t *table) apply(m *keysv1.WatchResponse) error {
	for _, c := range m.GetCredentials() {
		if err := t.put(c); err != nil {
			return err
		}
	}
	for _, id := range m.GetRevokedIds() {
		t.remove(id)
	}
	return nil
}

func (t *table) put(c *keysv1.Credential) error {
	var hash apikey.Hash
	if copy(hash[:], c.GetSecretHash()) != len(hash) || len(c.GetSecretHash()) != len(hash) {
		return fmt.Errorf("key %s comes with a hash of %d bytes, want %d", c.GetKey().GetId(), len(c.GetSecretHash()), len(hash))
	}
	id := c.GetKey().GetId()
	if old := t.ids[id]; old != nil && old.hash != hash {
		t.remove(id)
	}
	fresh := entry{tag: tag(&hash), key: &credential{hash: hash, principal: t.principal(c.GetKey())}}
	t.mu.Lock()
	t.ids[id] = fresh.key
	t.mu.Unlock()
	t.change(hash, func(p piece) piece { return append(without(p, hash), fresh) }) // in one step: a key that only changed is known all along
	return nil
}

func (t *table) remove(id string) {
	k := t.ids[id]
	if k == nil {
		return
	}
	t.mu.Lock()
	delete(t.ids, id)
	t.mu.Unlock()
	t.change(k.hash, func(p piece) piece { return without(p, k.hash) })
}

// without takes a key out of a piece that the caller may change.
func without(p piece, h apikey.Hash) piece {
	return slices.DeleteFunc(p, func(e entry) bool { return e.key.hash == h })
}

// change edits the piece in which a hash belongs: a copy of it, where readers see it.
func (t *table) change(h apikey.Hash, edit func(piece) piece) {
	at := &t.pieces[shard(&h)]
	var p piece
	if old := at.Load(); old != nil {
		p = *old
	}
	if t.shared {
		p = append(make(piece, 0, len(p)+1), p...)
	}
	p = edit(p)
	at.Store(&p)
	t.size.Store(int64(len(t.ids)))
}

// principal is a key as the rest of the process knows it.
func (t *table) principal(k *keysv1.Key) auth.Principal {
	if !proto.Equal(t.limits, k.GetLimits()) {
		t.limits = k.GetLimits()
	}
	p := auth.Principal{
		Name: k.GetName(), Role: k.GetRole(), KeyID: k.GetId(), Tenant: k.GetTenant(),
		Models: k.GetModels(), Limits: t.limits,
	}
	if k.GetExpiresAt() != nil {
		p.Expires = k.GetExpiresAt().AsTime()
	}
	return p
}
