// Package feed tells every node of the mesh which keys are valid: all of them first, then each change at once. It holds
// the valid keys in memory, so a node that (re)joins costs the store nothing.
package feed

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

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
	valid    map[string]*keysv1.Credential
	watchers map[*Watcher]struct{}
	closed   bool
}

// New returns a feed of these keys. Nobody changes a credential that a feed has.
func New(valid []*keysv1.Credential) *Feed {
	f := &Feed{valid: make(map[string]*keysv1.Credential, len(valid)), watchers: make(map[*Watcher]struct{})}
	for _, c := range valid {
		f.valid[c.GetKey().GetId()] = c
	}
	return f
}

// Add makes a key valid. Whoever changes keys calls it after the change is kept, one change at a time, so that no watcher
// learns of two changes of one key in the wrong order.
func (f *Feed) Add(c *keysv1.Credential) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.valid[c.GetKey().GetId()] = c
	f.publish(change{credential: c})
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

// Get returns a key that is valid, or was until it expired; false where there is none.
func (f *Feed) Get(id string) (*keysv1.Credential, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.valid[id]
	return c, ok
}

// Len is how many keys are valid.
func (f *Feed) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.valid)
}

// Expire removes the keys that have expired by now, and returns how many.
func (f *Feed) Expire(now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ended []string
	for id, c := range f.valid {
		if expired(c, now) {
			ended = append(ended, id)
		}
	}
	for ids := range slices.Chunk(ended, Part) {
		f.remove(ids)
	}
	return len(ended)
}

func expired(c *keysv1.Credential, now time.Time) bool {
	at := c.GetKey().GetExpiresAt()
	return at != nil && !now.Before(at.AsTime())
}

// Watch returns all keys that are valid now, and a watcher that gets every change from exactly then on.
func (f *Feed) Watch(now time.Time) ([]*keysv1.Credential, *Watcher, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, ErrClosed
	}
	w := &Watcher{feed: f, changes: make(chan change, backlog), over: make(chan struct{})}
	f.watchers[w] = struct{}{}
	all := slices.AppendSeq(make([]*keysv1.Credential, 0, len(f.valid)), maps.Values(f.valid))
	return slices.DeleteFunc(all, func(c *keysv1.Credential) bool { return expired(c, now) }), w, nil
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
