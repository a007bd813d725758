package keyring

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	ids map[string]known
	// limits are those of the key that came last. Many keys have equal ones, and share them where they come in a row.
	limits *ratelimitv1.Limits
	// shared says whether readers see the table yet; it is for the writer alone.
	shared bool
}

// piece holds the secrets whose hashes begin alike, in no order. It doesn't change once readers can see it.
type piece []entry

// entry is one secret and eight bytes of its hash, so that few others have to be looked at.
type entry struct {
	tag uint64
	key *credential
}

// credential is one secret of a key, ready to be handed out. It doesn't change.
type credential struct {
	hash apikey.Hash
	// ends is when the secret does, with its key or before, in microseconds since 1970, or never.
	ends      int64
	principal auth.Principal
}

const never = math.MaxInt64

// ended reports whether the secret isn't valid any more.
func (c *credential) ended(now time.Time) bool { return now.UnixMicro() >= c.ends }

// known is what a key is recognised by: its secret, and the one before, nil where there is none.
type known struct{ now, old *credential }

// has reports whether a hash is one of the key's.
func (k known) has(h apikey.Hash) bool {
	return k.now != nil && k.now.hash == h || k.old != nil && k.old.hash == h
}

func newTable() *table { return &table{ids: make(map[string]known)} }

// shard takes twelve bits of the hash, which is as good as random, and tag others.
func shard(h *apikey.Hash) int  { return int(h[0])<<4 | int(h[1])>>4 }
func tag(h *apikey.Hash) uint64 { return binary.NativeEndian.Uint64(h[8:]) }

// find returns the secret with a hash, nil where there is none. The hash is a MAC: how long it takes to look for it tells
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

// byID returns the secret that a key has now, by its id, nil where there is none.
func (t *table) byID(id string) *credential {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.ids[id].now
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

// put makes a key known by the secrets that come with it, and by no others any more. Each is replaced in one step, and
// what is new comes first: a secret that stays is known all along.
func (t *table) put(c *keysv1.Credential) error {
	id := c.GetKey().GetId()
	fresh, err := t.read(c)
	if err != nil {
		return err
	}
	t.mu.Lock()
	old := t.ids[id]
	t.ids[id] = fresh
	t.mu.Unlock()
	for _, k := range []*credential{fresh.old, fresh.now} {
		if k != nil {
			t.change(k.hash, func(p piece) piece { return append(without(p, k.hash), entry{tag: tag(&k.hash), key: k}) })
		}
	}
	t.forget(old, fresh)
	return nil
}

// read makes a key's secrets of what the feed says.
func (t *table) read(c *keysv1.Credential) (known, error) {
	hash, err := hashOf(c.GetKey().GetId(), c.GetSecretHash())
	if err != nil {
		return known{}, err
	}
	p := t.principal(c.GetKey())
	ends := int64(never)
	if !p.Expires.IsZero() {
		ends = p.Expires.UnixMicro()
	}
	k := known{now: &credential{hash: hash, principal: p, ends: ends}}
	if len(c.GetOldSecretHash()) == 0 {
		return k, nil
	}
	if hash, err = hashOf(c.GetKey().GetId(), c.GetOldSecretHash()); err != nil {
		return known{}, err
	}
	ends = min(ends, c.GetKey().GetOldSecretExpiresAt().AsTime().UnixMicro()) // 1970 where it is unset: such a secret has ended
	k.old = &credential{hash: hash, principal: p, ends: ends}
	return k, nil
}

func hashOf(id string, b []byte) (h apikey.Hash, err error) {
	if len(b) != len(h) {
		return h, fmt.Errorf("key %s comes with a hash of %d bytes, want %d", id, len(b), len(h))
	}
	return apikey.Hash(b), nil
}

// remove makes a key unknown, with all of its secrets.
func (t *table) remove(id string) {
	t.mu.Lock()
	k := t.ids[id]
	delete(t.ids, id)
	t.mu.Unlock()
	t.forget(k, known{})
}

// forget takes the secrets of a key out of the table, but for those that stay.
func (t *table) forget(k, stays known) {
	for _, c := range []*credential{k.now, k.old} {
		if c != nil && !stays.has(c.hash) {
			t.change(c.hash, func(p piece) piece { return without(p, c.hash) })
		}
	}
}

// without takes a secret out of a piece that the caller may change.
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
	return principalOf(k, t.limits)
}

// principalOf is a key with its limits, or others that are equal.
func principalOf(k *keysv1.Key, l *ratelimitv1.Limits) auth.Principal {
	p := auth.Principal{
		Name: k.GetName(), Role: k.GetRole(), KeyID: k.GetId(), Tenant: k.GetTenant(), Models: k.GetModels(), Limits: l,
	}
	if k.GetExpiresAt() != nil {
		p.Expires = k.GetExpiresAt().AsTime()
	}
	return p
}
