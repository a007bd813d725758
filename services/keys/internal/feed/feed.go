// Package feed tells every node of the mesh which keys are valid: all of them first, then each change at once. It holds
// the valid keys in memory, so a node that (re)joins costs the store nothing.
package feed

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
)

// backlog is how many changes a watcher may be behind. One that is further behind is ended, and starts over with all
// keys: nothing waits for it and nothing piles up.
const backlog = 1024

var (
	// ErrBehind ends a watcher that didn't keep up.
	ErrBehind = errors.New("the watcher fell too far behind")
	// ErrClosed ends all watchers when the feed stops.
	ErrClosed = errors.New("the feed has stopped")
)

// Feed is the valid keys and who watches them. Make it with [New]. It is safe for concurrent use.
type Feed struct {
	mu       sync.Mutex
	valid    map[string]key
	watchers map[*Watcher]struct{}
	closed   bool
}

// key is a valid key as the feed keeps it: encoded, since there are many and they are seldom asked for. A message takes
// several times the memory, in pieces that the garbage collector follows one by one.
type key struct {
	credential string
	// expires is zero where it never does, oldExpires where there is no secret before the present one.
	expires, oldExpires time.Time
}

func encode(c *keysv1.Credential) (key, error) {
	text, err := proto.Marshal(c)
	if err != nil {
		return key{}, fmt.Errorf("key %s can't be told of: %w", c.GetKey().GetId(), err)
	}
	k := key{credential: string(text)}
	if at := c.GetKey().GetExpiresAt(); at != nil {
		k.expires = at.AsTime()
	}
	if len(c.GetOldSecretHash()) > 0 {
		k.oldExpires = c.GetKey().GetOldSecretExpiresAt().AsTime()
	}
	return k, nil
}

func (k key) decode() (*keysv1.Credential, error) {
	c := new(keysv1.Credential)
	if err := proto.Unmarshal([]byte(k.credential), c); err != nil {
		return nil, fmt.Errorf("a key of the feed: %w", err)
	}
	return c, nil
}

func (k key) expired(now time.Time) bool { return !k.expires.IsZero() && !now.Before(k.expires) }

// outlived reports whether the secret before the present one has ended.
func (k key) outlived(now time.Time) bool { return !k.oldExpires.IsZero() && !now.Before(k.oldExpires) }

// New returns a feed of these keys. It fails where one can't be encoded, which is text that isn't UTF-8.
func New(valid []*keysv1.Credential) (*Feed, error) {
	f := &Feed{valid: make(map[string]key, len(valid)), watchers: make(map[*Watcher]struct{})}
	for _, c := range valid {
		k, err := encode(c)
		if err != nil {
			return nil, err
		}
		f.valid[c.GetKey().GetId()] = k
	}
	return f, nil
}

// Add makes a key valid, or tells what became of it. Whoever changes keys calls it after the change is kept, one change at a time, so that no watcher
// learns of two changes of one key in the wrong order. Nobody changes the credential any more. It fails as New does.
func (f *Feed) Add(c *keysv1.Credential) error {
	k, err := encode(c)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.valid[c.GetKey().GetId()] = k
	f.publish(change{credential: c})
	return nil
}

// Remove makes keys invalid; ids that the feed doesn't know do no harm.
func (f *Feed) Remove(ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(ids)
}

func (f *Feed) remove(ids []string) {
	for _, id := range ids {
		delete(f.valid, id)
	}
	f.publish(change{ended: ids})
}

// Get returns a key that may be used at a time, which is about now; nil where it may not.
func (f *Feed) Get(id string, now time.Time) (*keysv1.Credential, error) {
	f.mu.Lock()
	k, ok := f.valid[id]
	f.mu.Unlock()
	if !ok || k.expired(now) {
		return nil, nil
	}
	return k.decode()
}

// Len is how many keys are valid.
func (f *Feed) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.valid)
}

// Expire removes the keys that have expired by now, and returns how many. It tells watchers of secrets that have ended by
// now, too: a node whose clock is late learns it so.
func (f *Feed) Expire(now time.Time) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ended []string
	var errs []error
	for id, k := range f.valid {
		switch {
		case k.expired(now):
			ended = append(ended, id)
		case k.outlived(now):
			errs = append(errs, f.endOld(id, k))
		}
	}
	for ids := range slices.Chunk(ended, Part) {
		f.remove(ids)
	}
	return len(ended), errors.Join(errs...)
}

// endOld lets go of the old secret of a key. f.mu is held.
func (f *Feed) endOld(id string, k key) error {
	c, err := k.decode()
	if err != nil {
		return err
	}
	c.OldSecretHash = nil
	if f.valid[id], err = encode(c); err != nil {
		return err
	}
	f.publish(change{credential: c})
	return nil
}

// Watch returns all keys that are valid now, and a watcher that gets every change from exactly then on.
func (f *Feed) Watch(now time.Time) ([]*keysv1.Credential, *Watcher, error) {
	encoded, w, err := f.watch(now)
	if err != nil {
		return nil, nil, err
	}
	all := make([]*keysv1.Credential, len(encoded))
	for i, k := range encoded {
		if all[i], err = k.decode(); err != nil {
			w.Stop()
			return nil, nil, err
		}
	}
	return all, w, nil
}

// watch leaves the decoding to the caller: changes don't wait for it.
func (f *Feed) watch(now time.Time) ([]key, *Watcher, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, ErrClosed
	}
	w := &Watcher{feed: f, changes: make(chan change, backlog), over: make(chan struct{})}
	f.watchers[w] = struct{}{}
	all := make([]key, 0, len(f.valid))
	for _, k := range f.valid {
		if !k.expired(now) {
			all = append(all, k)
		}
	}
	return all, w, nil
}

// publish gives a change to every watcher, and ends those that have no room for it. f.mu is held.
func (f *Feed) publish(c change) {
	for w := range f.watchers {
		select {
		case w.changes <- c:
		default:
			f.end(w, ErrBehind)
		}
	}
}

// end ends a watcher. f.mu is held.
func (f *Feed) end(w *Watcher, why error) {
	if _, ok := f.watchers[w]; ok {
		delete(f.watchers, w)
		w.why = why
		close(w.over)
	}
}

// Close ends all watchers, and takes no more.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for w := range f.watchers {
		f.end(w, ErrClosed)
	}
}
