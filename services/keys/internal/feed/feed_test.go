package feed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
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

func newFeed(t testing.TB, valid []*keysv1.Credential) *feed.Feed {
	t.Helper()
	f, err := feed.New(valid)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func add(t *testing.T, f *feed.Feed, c *keysv1.Credential) {
	t.Helper()
	if err := f.Add(c); err != nil {
		t.Error(err)
	}
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
		f := newFeed(t, numbers(1))
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
		add(t, f, credential("key_new"))
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
	f := newFeed(t, list)
	all, w := watch(t, f, now)
	defer w.Stop()
	if len(all) != 100 {
		t.Errorf("%d keys in the snapshot", len(all))
	}
	if n, err := f.Expire(now.Add(-time.Nanosecond)); n != 0 || f.Len() != 1300 || err != nil {
		t.Errorf("%d expired too early", n)
	}
	if n, err := f.Expire(now); n != 1200 || f.Len() != 100 || err != nil {
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
	f := newFeed(t, nil)
	_, slow := watch(t, f, time.Now())
	defer slow.Stop()
	for n := range 5000 { // nobody reads, nobody waits
		add(t, f, number(n))
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

func TestSnapshotIsWhatWasPutIn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	full := func(id string) *keysv1.Credential {
		return &keysv1.Credential{SecretHash: []byte(id + " hashed"), Key: &keysv1.Key{
			Id: id, Name: "search", Tenant: "acme", Role: accessv1.Role_ROLE_CLIENT, Models: []string{"claude-*"}, Hint: "hg_live_ab",
			Limits: &ratelimitv1.Limits{RequestsPerMinute: 60, BudgetUsd: 1.5}, ExpiresAt: timestamppb.New(now.Add(time.Hour)),
		}}
	}
	first, second := full("key_first"), full("key_second")
	f := newFeed(t, []*keysv1.Credential{first})
	add(t, f, second)
	all, w := watch(t, f, now)
	defer w.Stop()
	slices.SortFunc(all, func(a, b *keysv1.Credential) int { return strings.Compare(a.GetKey().GetId(), b.GetKey().GetId()) })
	if len(all) != 2 || !proto.Equal(all[0], first) || !proto.Equal(all[1], second) {
		t.Errorf("got %v", all)
	}
	for id, want := range map[string]bool{"key_first": true, "key_second": true, "key_none": false} {
		got, err := f.Get(id, now)
		if later, _ := f.Get(id, now.Add(time.Hour)); err != nil || (got != nil) != want || later != nil {
			t.Errorf("%s: valid now is not %v, or after its end: %v, %v, %v", id, want, got, later, err)
		}
		if want && !proto.Equal(got, full(id)) {
			t.Errorf("Get: %v", got)
		}
	}
}

// TestValidAgain: a key that ended and became valid again within one message is among the valid ones alone, one that ended
// after that among the ended ones too.
func TestValidAgain(t *testing.T) {
	t.Parallel()
	f := newFeed(t, numbers(2))
	_, w := watch(t, f, time.Now())
	defer w.Stop()
	f.Remove("key_0", "key_1")
	add(t, f, number(0))
	add(t, f, number(1))
	f.Remove("key_1")
	stop := errors.New("the first message")
	err := w.Follow(t.Context(), func(m *keysv1.WatchResponse) error {
		if len(m.GetCredentials()) != 2 || !slices.Equal(m.GetRevokedIds(), []string{"key_1"}) {
			t.Errorf("got %v", m)
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestOldSecretsEnd: a sweep tells of a key without the secret that has ended, once, and who joins later isn't told of it.
func TestOldSecretsEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rotated := credential("key_0")
	rotated.SecretHash, rotated.OldSecretHash = []byte("new"), []byte("old")
	rotated.Key.OldSecretExpiresAt = timestamppb.New(now)
	f := newFeed(t, []*keysv1.Credential{rotated, number(1)})
	_, w := watch(t, f, now)
	defer w.Stop()
	for _, at := range []time.Time{now.Add(-time.Nanosecond), now, now.Add(time.Hour)} {
		if n, err := f.Expire(at); n != 0 || err != nil {
			t.Errorf("Expire: %d, %v", n, err)
		}
	}
	want := proto.Clone(rotated).(*keysv1.Credential)
	want.OldSecretHash = nil
	stop := errors.New("the first message")
	_ = w.Follow(t.Context(), func(m *keysv1.WatchResponse) error {
		if len(m.GetCredentials()) != 1 || !proto.Equal(m.GetCredentials()[0], want) || len(m.GetRevokedIds()) != 0 {
			t.Errorf("told %v", m)
		}
		return stop
	})
	if got, err := f.Get("key_0", now); err != nil || !proto.Equal(got, want) {
		t.Errorf("Get: %v, %v", got, err)
	}
}

func TestTextThatCantBeSentIsRefused(t *testing.T) {
	t.Parallel()
	f, broken := newFeed(t, nil), credential("key_\xff")
	if err := f.Add(broken); err == nil || f.Len() != 0 {
		t.Errorf("Add: %v, %d keys", err, f.Len())
	}
	if _, err := feed.New([]*keysv1.Credential{broken}); err == nil {
		t.Error("New takes it")
	}
}

func TestClosedFeed(t *testing.T) {
	t.Parallel()
	f := newFeed(t, nil)
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
	f := newFeed(t, numbers(100))
	const rounds, watchers = 1000, 20
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range rounds {
			add(t, f, number(1000+n))
			if n%2 == 0 {
				f.Remove(fmt.Sprintf("key_%d", 1000+n))
			}
		}
		add(t, f, credential("key_last"))
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
	f := newFeed(b, numbers(10_000))
	for b.Loop() {
		all, w, err := f.Watch(time.Now())
		if err != nil || len(all) != 10_000 {
			b.Fatal(err)
		}
		w.Stop()
	}
}
