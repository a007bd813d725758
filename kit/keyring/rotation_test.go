package keyring_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/keyring"
)

// TestRotation: both secrets are the same key until the old one's time, which the node knows by itself; a further rotation
// ends the oldest at once, and a revocation ends all.
func TestRotation(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		h := hasher()
		first := issue(h, "key_a")
		s.says(snapshot(first, issue(h, "key_b")))
		second := first.rotated(h, time.Now().Add(time.Minute))
		s.says(added(second))
		expect(t, k, map[string]string{first.secret: fine, second.secret: fine})
		for _, secret := range []string{first.secret, second.secret} {
			if p, err := k.Verify(t.Context(), secret); err != nil || p.KeyID != "key_a" || !p.Expires.IsZero() || p.Limits.GetRequestsPerMinute() != 60 {
				t.Errorf("%+v, %v", p, err)
			}
		}
		if k.Len() != 2 {
			t.Errorf("%d keys", k.Len())
		}
		s.down.Store(true)
		s.says(nil) // the feed is cut
		time.Sleep(time.Minute - time.Nanosecond)
		expect(t, k, map[string]string{first.secret: fine, second.secret: fine})
		time.Sleep(time.Nanosecond)
		expect(t, k, map[string]string{first.secret: bad, second.secret: fine})
		if _, err := k.Verify(t.Context(), first.secret); err == nil || !strings.Contains(err.Error(), "replaced") {
			t.Errorf("an old secret: %v", err)
		}
		if p, err := k.VerifyID(t.Context(), "key_a"); err != nil || p.KeyID != "key_a" {
			t.Errorf("by its id: %+v, %v", p, err)
		}
		s.down.Store(false)
		third := second.rotated(h, time.Now().Add(time.Hour))
		fourth := third.rotated(h, time.Now().Add(time.Hour))
		s.says(snapshot(third))
		expect(t, k, map[string]string{first.secret: bad, second.secret: fine, third.secret: fine})
		s.says(added(fourth))
		expect(t, k, map[string]string{second.secret: bad, third.secret: fine, fourth.secret: fine})
		fifth := fourth.rotated(h, time.Time{})
		s.says(added(fifth))
		expect(t, k, map[string]string{third.secret: bad, fourth.secret: bad, fifth.secret: fine})
		sixth := fifth.rotated(h, time.Now().Add(time.Hour))
		s.says(added(sixth), revoked("key_a"))
		expect(t, k, map[string]string{fifth.secret: bad, sixth.secret: bad})
		if k.Len() != 0 {
			t.Errorf("%d keys", k.Len())
		}
	})
}

// TestOldSecretEndsWithItsKey, however long it was to be kept; one that comes without a time has ended.
func TestOldSecretEndsWithItsKey(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		h := hasher()
		a, b := issue(h, "key_a"), issue(h, "key_b")
		nextA := a.rotated(h, time.Now().Add(time.Hour)).expiring(time.Now().Add(time.Minute))
		nextB := b.rotated(h, time.Now().Add(time.Hour))
		nextB.credential.Key.OldSecretExpiresAt = nil
		s.says(snapshot(nextA, nextB))
		expect(t, k, map[string]string{a.secret: fine, nextA.secret: fine, b.secret: bad, nextB.secret: fine})
		time.Sleep(time.Minute)
		expect(t, k, map[string]string{a.secret: bad, nextA.secret: bad})
		if _, err := k.Verify(t.Context(), a.secret); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("the old secret of a key that expired: %v", err)
		}
	})
}

// TestChangedKey: what a key may do follows the feed, with both of its secrets; a key that has expired can come back.
func TestChangedKey(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		h := hasher()
		old := issue(h, "key_a")
		now := old.rotated(h, time.Now().Add(time.Hour)).expiring(time.Now().Add(time.Second))
		s.says(snapshot(now))
		time.Sleep(time.Second)
		expect(t, k, map[string]string{old.secret: bad, now.secret: bad})
		now.credential.Key.ExpiresAt = timestamppb.New(time.Now().Add(time.Hour))
		now.credential.Key.Models = []string{"gpt-5"}
		now.credential.Key.Limits.RequestsPerMinute = 2
		s.says(added(now))
		for _, secret := range []string{old.secret, now.secret} {
			p, err := k.Verify(t.Context(), secret)
			if err != nil || p.MayAsk("claude-1") || p.Limits.GetRequestsPerMinute() != 2 {
				t.Errorf("%+v, %v", p, err)
			}
		}
	})
}

// TestBrokenOldHash ends the feed, as any broken credential does.
func TestBrokenOldHash(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		h := hasher()
		a := issue(h, "key_a")
		s.says(snapshot(a))
		<-s.opened
		broken := a.rotated(h, time.Now().Add(time.Hour))
		broken.credential.OldSecretHash = make([]byte, 31)
		s.says(added(broken))
		<-s.opened
		expect(t, k, map[string]string{a.secret: fine, broken.secret: bad})
	})
}

// TestVerifyWhileKeysRotate: a secret that is kept is accepted at every moment.
func TestVerifyWhileKeysRotate(t *testing.T) {
	t.Parallel()
	h, s := hasher(), newScripted()
	k := keyring.New(s, h, keyring.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = k.Run(ctx) })
	key := issue(h, "key_a")
	s.feed <- snapshot(key)
	s.feed <- &keysv1.WatchResponse{}
	for range 300 {
		next := key.rotated(h, time.Now().Add(time.Hour))
		end := verifying(t, k, key.secret)
		s.feed <- added(next)
		s.feed <- &keysv1.WatchResponse{} // the one before was taken in
		end()
		expect(t, k, map[string]string{key.secret: fine, next.secret: fine})
		key = next
	}
	stop()
	wg.Wait()
}

// verifying verifies a secret all the time until it is told to end.
func verifying(t *testing.T, k *keyring.Keyring, secret string) (end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := k.Verify(ctx, secret); err != nil {
					t.Errorf("a secret that is kept: %v", err)
					return
				}
			}
		})
	}
	return func() {
		stop()
		wg.Wait()
	}
}
