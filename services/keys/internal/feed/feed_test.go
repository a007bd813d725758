package feed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/services/keys/internal/feed"
)

func credential(id string) *keysv1.Credential { return &keysv1.Credential{Key: &keysv1.Key{Id: id}} }

func number(n int) *keysv1.Credential { return credential(fmt.Sprintf("key_%d", n)) }

func numbers(n int) []*keysv1.Credential {
	list := make([]*keysv1.Credential, n)
	for i := range list {
		list[i] = number(i)
	}
	return list
}

// mirror is what a node makes of the messages.
type mirror struct {
	mu       sync.Mutex
	keys     map[string]bool
	complete bool
	messages int
}

func newMirror() *mirror { return &mirror{keys: make(map[string]bool)} }

func (m *mirror) take(r *keysv1.WatchResponse) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages++
	for _, c := range r.GetCredentials() {
		m.keys[c.GetKey().GetId()] = true
	}
	for _, id := range r.GetRevokedIds() {
		delete(m.keys, id)
	}
	m.complete = m.complete || r.GetSnapshotComplete()
	return nil
}

func (m *mirror) has(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keys[id]
}

func TestSnapshotInParts(t *testing.T) {
	t.Parallel()
	for n, parts := range map[int]int{0: 1, 1: 1, 500: 1, 501: 2, 1000: 2, 1001: 3} {
		m := newMirror()
		err := feed.Snapshot(numbers(n), func(r *keysv1.WatchResponse) error {
			if m.complete || len(r.GetCredentials()) > 500 {
				t.Errorf("%d keys: a part of %d, after the end: %v", n, len(r.GetCredentials()), m.complete)
			}
			return m.take(r)
		})
		if err != nil || len(m.keys) != n || m.messages != parts || !m.complete {
			t.Errorf("%d keys: %d in %d parts, complete %v, %v", n, len(m.keys), m.messages, m.complete, err)
		}
	}
}

func TestSnapshotStopsWhereSendingFails(t *testing.T) {
	t.Parallel()
	broken, calls := errors.New("broken"), 0
	err := feed.Snapshot(numbers(2000), func(*keysv1.WatchResponse) error { calls++; return broken })
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func watch(t *testing.T, f *feed.Feed, now time.Time) ([]*keysv1.Credential, *feed.Watcher) {
	t.Helper()
	all, w, err := f.Watch(now)
	if err != nil {
		t.Fatal(err)
	}
	return all, w
}

func TestHeartbeatsAndChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := feed.New(numbers(1))
		_, w := watch(t, f, time.Now())
		defer w.Stop()
		ctx, stop := context.WithCancel(t.Context())
		m, done := newMirror(), make(chan error, 1)
		last, longest := time.Now(), time.Duration(0)
		go func() {
			done <- w.Follow(ctx, func(r *keysv1.WatchResponse) error {
				longest, last = max(longest, time.Since(last)), time.Now()
				return m.take(r)
			})
		}()
		f.Add(credential("key_new"))
		synctest.Wait() // no time passes: changes don't wait for a beat
		if !m.has("key_new") {
			t.Error("a new key isn't told at once")
		}
		time.Sleep(10 * time.Second)
		f.Remove("key_new")
		synctest.Wait()
		if m.has("key_new") {
			t.Error("a revoked key isn't told at once")
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow: %v", err)
		}
		if longest > time.Second || m.messages > 30 {
			t.Errorf("%d messages, silence of %v", m.messages, longest)
		}
	})
}

func TestExpiredKeysLeave(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	list := numbers(1300)
	for _, c := range list[:1200] {
		c.Key.ExpiresAt = timestamppb.New(now)
	}
	f := feed.New(list)
	all, w := watch(t, f, now)
	defer w.Stop()
	if len(all) != 100 {
		t.Errorf("%d keys in the snapshot", len(all))
	}
	if n := f.Expire(now.Add(-time.Nanosecond)); n != 0 || f.Len() != 1300 {
		t.Errorf("%d expired too early", n)
	}
	if n := f.Expire(now); n != 1200 || f.Len() != 100 {
		t.Errorf("%d expired, %d left", n, f.Len())
	}
	told, enough := 0, errors.New("all were told")
	err := w.Follow(t.Context(), func(r *keysv1.WatchResponse) error {
		if len(r.GetRevokedIds()) >= 1000 {
			t.Errorf("%d ids in a message", len(r.GetRevokedIds()))
		}
		if told += len(r.GetRevokedIds()); told >= 1200 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || told != 1200 {
		t.Errorf("%d ends told, %v", told, err)
	}
}

// TestSlowWatcherIsEnded: it costs the others nothing, and is told to start over.
func TestSlowWatcherIsEnded(t *testing.T) {
	t.Parallel()
	f := feed.New(nil)
	_, slow := watch(t, f, time.Now())
	defer slow.Stop()
	for n := range 5000 { // nobody reads, nobody waits
		f.Add(number(n))
	}
	err := slow.Follow(t.Context(), func(*keysv1.WatchResponse) error { return nil })
	if !errors.Is(err, feed.ErrBehind) {
		t.Errorf("Follow: %v", err)
	}
	if all, w := watch(t, f, time.Now()); len(all) != 5000 {
		t.Errorf("%d keys when it starts over", len(all))
	} else {
		w.Stop()
	}
}

func TestClosedFeed(t *testing.T) {
	t.Parallel()
	f := feed.New(nil)
	_, w := watch(t, f, time.Now())
	f.Close()
	f.Close()
	if err := w.Follow(t.Context(), newMirror().take); !errors.Is(err, feed.ErrClosed) {
		t.Errorf("Follow: %v", err)
	}
	w.Stop()
	if _, _, err := f.Watch(time.Now()); !errors.Is(err, feed.ErrClosed) {
		t.Errorf("Watch: %v", err)
	}
}

// TestNoChangeIsLost: watchers join in the middle of many changes, and end up with what is true.
func TestNoChangeIsLost(t *testing.T) {
	t.Parallel()
	f := feed.New(numbers(100))
	const rounds, watchers = 1000, 20
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range rounds {
			f.Add(number(1000 + n))
			if n%2 == 0 {
				f.Remove(fmt.Sprintf("key_%d", 1000+n))
			}
		}
		f.Add(credential("key_last"))
	})
	for range watchers {
		wg.Go(func() {
			m := newMirror()
			for !m.has("key_last") { // starts over where it was too slow
				*m = mirror{keys: make(map[string]bool)}
				all, w, err := f.Watch(time.Now())
				if err != nil {
					t.Error(err)
					return
				}
				last := errors.New("the last change")
				_ = feed.Snapshot(all, m.take)
				if !m.has("key_last") {
					_ = w.Follow(t.Context(), func(r *keysv1.WatchResponse) error {
						_ = m.take(r)
						if m.has("key_last") {
							return last
						}
						return nil
					})
				}
				w.Stop()
			}
			if len(m.keys) != 100+rounds/2+1 {
				t.Errorf("%d keys", len(m.keys))
			}
		})
	}
	wg.Wait()
}

func BenchmarkWatch(b *testing.B) {
	f := feed.New(numbers(10_000))
	for b.Loop() {
		all, w, err := f.Watch(time.Now())
		if err != nil || len(all) != 10_000 {
			b.Fatal(err)
		}
		w.Stop()
	}
}
