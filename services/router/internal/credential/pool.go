// Package credential keeps Headgate's keys at one provider: which one goes with a call, and which are left alone for a
// while because of what the provider said to them. A key never leaves it but as a value for a request's header: it is
// named by its position.
package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Limited is how long a key rests after a 429 that doesn't say how long.
	Limited = 10 * time.Second
	// Refused is how long after a 401 or 403.
	Refused = 5 * time.Minute
	// Exhausted is how long after a 402 or another word for an empty account.
	Exhausted = 10 * time.Minute

	// shortest and longest bound what a provider says: a rest of nothing would ask every key for each call, and one of
	// a day couldn't see that the limit was raised.
	shortest = time.Second
	longest  = time.Hour
	// maxModels bounds the rests that are of one model only: clients choose models' names.
	maxModels = 1024
)

// Pool is the keys of one provider, in the order in which they are preferred: the first that doesn't rest is used, so
// that what a provider keeps for an account (its prompt cache) stays useful. Safe for concurrent use. A nil pool has no
// keys.
type Pool struct {
	values []string
	// until is when the last rest ends, in nanoseconds since 1970: after it nothing has to be looked up.
	until atomic.Int64

	mu sync.Mutex
	// whole are rests of keys, models those of a key for one model.
	whole  []time.Time
	models map[rest]time.Time
}

type rest struct {
	key   int
	model string
}

// New makes a pool of keys; empty ones are none. Keys that the previous pool has too keep their rests; it may be nil. Of
// the same keys it is the same pool.
func New(values []string, previous *Pool) *Pool {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	if previous != nil && slices.Equal(values, previous.values) {
		return previous
	}
	p := &Pool{values: values, models: make(map[rest]time.Time)}
	p.whole = make([]time.Time, len(p.values))
	previous.handOver(p)
	return p
}

func (p *Pool) handOver(to *Pool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	to.until.Store(p.until.Load())
	for i, v := range to.values {
		for j, old := range p.values {
			if v != old {
				continue
			}
			to.whole[i] = p.whole[j]
			for r, until := range p.models {
				if r.key == j {
					to.models[rest{i, r.model}] = until
				}
			}
		}
	}
}

// Values returns the keys, for what has to recognise them in a text.
func (p *Pool) Values() []string {
	if p == nil {
		return nil
	}
	return p.values
}

// String tells how many keys there are, and none of them: a pool may be printed by mistake.
func (p *Pool) String() string { return fmt.Sprintf("%d keys", p.Len()) }

// GoString is String.
func (p *Pool) GoString() string { return p.String() }

// Len is how many keys there are.
func (p *Pool) Len() int { return len(p.Values()) }

// Pick returns the key for a call to a model: the first that doesn't rest, or the one whose rest ends the soonest.
func (p *Pool) Pick(model string, now time.Time) Lease {
	if p == nil || len(p.values) == 0 {
		return Lease{}
	}
	i, _ := p.best(model, now)
	return Lease{pool: p, key: i, model: model}
}

// Marked returns the key that a secret gives this mark; false where it isn't there any more.
func (p *Pool) Marked(secret []byte, mark string) (Lease, bool) {
	for _, l := range p.All() {
		if mark != "" && l.Mark(secret) == mark {
			return l, true
		}
	}
	return Lease{}, false
}

// All returns every key, in order of preference, whether it rests or not.
func (p *Pool) All() []Lease {
	leases := make([]Lease, p.Len())
	for i := range leases {
		leases[i] = Lease{pool: p, key: i}
	}
	return leases
}

// Ready reports whether a call to a model has a key that doesn't rest; else until when the first one does.
func (p *Pool) Ready(model string, now time.Time) (ok bool, until time.Time) {
	if p == nil || len(p.values) == 0 {
		return true, time.Time{}
	}
	_, until = p.best(model, now)
	return until.IsZero(), until
}

// best returns the key to use and, where it rests, until when.
func (p *Pool) best(model string, now time.Time) (key int, until time.Time) {
	if now.UnixNano() >= p.until.Load() {
		return 0, time.Time{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.values {
		rests := p.restOf(i, model)
		if !rests.After(now) {
			return i, time.Time{}
		}
		if until.IsZero() || rests.Before(until) {
			key, until = i, rests
		}
	}
	return key, until
}

func (p *Pool) restOf(key int, model string) time.Time {
	until := p.whole[key]
	if m := p.models[rest{key, model}]; m.After(until) {
		until = m
	}
	return until
}

// Count returns how many keys rest now for a model, and how many there are.
func (p *Pool) Count(model string, now time.Time) (resting, all int) {
	if p == nil {
		return 0, 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.values {
		if p.restOf(i, model).After(now) {
			resting++
		}
	}
	return resting, len(p.values)
}

// Resting returns how many keys rest now, for one model or for all.
func (p *Pool) Resting(now time.Time) int {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	resting := make([]bool, len(p.values))
	for i, until := range p.whole {
		resting[i] = until.After(now)
	}
	for r, until := range p.models {
		resting[r.key] = resting[r.key] || until.After(now)
	}
	n := 0
	for _, r := range resting {
		if r {
			n++
		}
	}
	return n
}

// spare lets a key rest for all models. A longer rest stays.
func (p *Pool) spare(key int, now time.Time, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	until := now.Add(d)
	p.whole[key] = later(p.whole[key], until)
	p.until.Store(max(p.until.Load(), until.UnixNano()))
}

// spareFor lets a key rest for one model. A longer rest stays.
func (p *Pool) spareFor(r rest, now time.Time, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.room(r, now) {
		return
	}
	until := now.Add(d)
	p.models[r] = later(p.models[r], until)
	p.until.Store(max(p.until.Load(), until.UnixNano()))
}

// room makes room for a rest of one model.
func (p *Pool) room(r rest, now time.Time) bool {
	if _, known := p.models[r]; known || len(p.models) < maxModels {
		return true
	}
	for old, until := range p.models {
		if !until.After(now) {
			delete(p.models, old)
		}
	}
	return len(p.models) < maxModels
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Lease is a key on its way with one call. The zero Lease is no key.
type Lease struct {
	pool  *Pool
	key   int
	model string
}

// String is the key's position, not the key.
func (l Lease) String() string { return "key" + l.Name() }

// GoString is String.
func (l Lease) GoString() string { return l.String() }

// Value returns the key; empty where there is none.
func (l Lease) Value() string {
	if l.pool == nil {
		return ""
	}
	return l.pool.values[l.key]
}

// Name names the key by its position, in parentheses with a space before it: " (key 2 of 3)". It is empty where there is
// only one.
func (l Lease) Name() string {
	if l.pool == nil || len(l.pool.values) < 2 {
		return ""
	}
	return fmt.Sprintf(" (key %d of %d)", l.key+1, len(l.pool.values))
}

// markBytes make a mark: enough to tell a provider's few keys apart.
const markBytes = 8

// Mark stands for the key where others may read it, and tells nothing of it to whoever hasn't the secret: the beginning
// of an HMAC-SHA256 in hex. It is the same in every process with the secret; empty where there is no key.
func (l Lease) Mark(secret []byte) string {
	if l.Value() == "" {
		return ""
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(l.Value()))
	return hex.EncodeToString(mac.Sum(nil)[:markBytes])
}

// Limited lets the key rest for this model (providers count by model), for as long as the provider said; 0 where it
// didn't.
func (l Lease) Limited(now time.Time, after time.Duration) {
	if after <= 0 {
		after = Limited
	}
	l.restForModel(now, min(max(after, shortest), longest))
}

// Forbidden lets the key rest for this model: a 403 mostly says that the key may not use it.
func (l Lease) Forbidden(now time.Time) { l.restForModel(now, Refused) }

// Refused lets the key rest: a 401 says that it isn't known.
func (l Lease) Refused(now time.Time) { l.rest(now, Refused) }

// Exhausted lets the key rest: its account is empty.
func (l Lease) Exhausted(now time.Time) { l.rest(now, Exhausted) }

func (l Lease) rest(now time.Time, d time.Duration) {
	if l.pool != nil {
		l.pool.spare(l.key, now, d)
	}
}

func (l Lease) restForModel(now time.Time, d time.Duration) {
	if l.pool != nil {
		l.pool.spareFor(rest{l.key, l.model}, now, d)
	}
}
