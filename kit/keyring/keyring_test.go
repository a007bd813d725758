package keyring_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/keyring"
)

var _ auth.Verifier = (*keyring.Keyring)(nil)

// bubble runs a test in virtual time with a keyring that follows a scripted feed.
func bubble(t *testing.T, test func(t *testing.T, k *keyring.Keyring, s *scripted)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		k := keyring.New(s, hasher(), keyring.Options{})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		test(t, k, s)
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// says lets the feed say something, and waits until it was heard.
func (s *scripted) says(messages ...*keysv1.WatchResponse) {
	for _, m := range messages {
		s.feed <- m
	}
	synctest.Wait()
}

// expect checks what becomes of each key.
func expect(t *testing.T, k *keyring.Keyring, want map[string]string) {
	t.Helper()
	for secret, text := range want {
		_, err := k.Verify(t.Context(), secret)
		if got := strings.TrimPrefix(reason(err).String(), "REASON_"); got != text {
			t.Errorf("%.12s...: %s, want %s", secret, got, text)
		}
	}
}

const (
	fine = "UNSPECIFIED"
	bad  = "INVALID_API_KEY"
	off  = "SERVICE_UNAVAILABLE"
)

func TestVerify(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		h := hasher()
		a, b, gone := issue(h, "key_a"), issue(h, "key_b"), issue(h, "key_gone")
		short := issue(h, "key_short").expiring(time.Now().Add(time.Second))
		s.says(snapshot(a, b, gone, short), revoked("key_gone", "key_nobody"))
		cases := map[string]string{
			"": "MISSING_API_KEY", "hg_live_x": bad, a.secret[:len(a.secret)-1] + "*": bad, apikey.New("test"): bad,
			a.secret: fine, b.secret: fine, gone.secret: bad, short.secret: fine,
		}
		expect(t, k, cases)
		time.Sleep(time.Second)
		expect(t, k, map[string]string{short.secret: bad, a.secret: fine})
		if k.Len() != 3 {
			t.Errorf("%d keys", k.Len())
		}
		p, err := k.Verify(t.Context(), a.secret)
		if err != nil || p.KeyID != "key_a" || p.Name != "name of key_a" || p.Tenant != "acme" || !p.Expires.IsZero() ||
			p.Role != a.credential.Key.Role || !slices.Equal(p.Models, []string{"claude-*"}) || p.Limits.GetRequestsPerMinute() != 60 {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestBeforeTheFirstSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		a, b := issue(hasher(), "key_a"), issue(hasher(), "key_b")
		check := func(want string) {
			t.Helper()
			expect(t, k, map[string]string{"": "MISSING_API_KEY", "garbage": bad, a.secret: want})
			if ready := k.Ready() == nil; ready != (want == fine) || k.Stale() {
				t.Errorf("ready %v, stale %v", ready, k.Stale())
			}
		}
		check(off)
		s.says(added(a))
		check(off)
		s.says(snapshot(b))
		check(fine)
	})
}

// TestResnapshotReplacesEverything: keys that vanished while the feed was cut are refused, and until the new snapshot is
// complete the old one answers.
func TestResnapshotReplacesEverything(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		h := hasher()
		a, b, c := issue(h, "key_a"), issue(h, "key_b"), issue(h, "key_c")
		s.says(snapshot(a, b), nil)
		s.says(added(c))
		expect(t, k, map[string]string{a.secret: fine, b.secret: fine, c.secret: bad})
		s.says(snapshot(b))
		expect(t, k, map[string]string{a.secret: bad, b.secret: fine, c.secret: fine})
		s.says(nil)
		s.says(snapshot())
		expect(t, k, map[string]string{a.secret: bad, b.secret: bad, c.secret: bad})
	})
}

func TestKeyThatCameAndWentInOneMessage(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		a, b := issue(hasher(), "key_a"), issue(hasher(), "key_b")
		m := added(a, b)
		m.RevokedIds = []string{"key_a"}
		s.says(snapshot(), m)
		expect(t, k, map[string]string{a.secret: bad, b.secret: fine})
	})
}

// TestKeyWithAnotherSecret: a key that comes again with another hash is known by that one alone.
func TestKeyWithAnotherSecret(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		before, after := issue(hasher(), "key_a"), issue(hasher(), "key_a")
		s.says(snapshot(before), added(after))
		expect(t, k, map[string]string{before.secret: bad, after.secret: fine})
	})
}

// TestSilentFeed is opened again after three seconds, and not while it speaks.
func TestSilentFeed(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		a := issue(hasher(), "key_a")
		s.says(snapshot(a))
		<-s.opened
		for range 20 {
			time.Sleep(time.Second)
			s.says(&keysv1.WatchResponse{})
		}
		if len(s.opened) != 0 || k.Stale() {
			t.Errorf("a feed that speaks was opened %d times more; stale: %v", len(s.opened), k.Stale())
		}
		silent := time.Now()
		<-s.opened
		if d := time.Since(silent); d < 3*time.Second || d > 3*time.Second+100*time.Millisecond {
			t.Errorf("opened again after %v", d)
		}
		expect(t, k, map[string]string{a.secret: fine})
		if !k.Stale() || k.Ready() != nil {
			t.Errorf("stale %v, ready %v", k.Stale(), k.Ready())
		}
		s.says(snapshot(a))
		if k.Stale() {
			t.Error("stale with a working feed")
		}
	})
}

// TestStaleWindow: with no feed the last keys are accepted for five minutes, then nobody is, then the feed is back.
func TestStaleWindow(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		a := issue(hasher(), "key_a")
		s.says(snapshot(a))
		s.down.Store(true)
		s.says(nil)
		cut := time.Now()
		for _, c := range []struct {
			after time.Duration
			want  string
		}{{time.Minute, fine}, {5 * time.Minute, fine}, {5*time.Minute + time.Second, off}, {time.Hour, off}} {
			time.Sleep(c.after - time.Since(cut))
			expect(t, k, map[string]string{a.secret: c.want, "": "MISSING_API_KEY", "garbage": bad})
			if ready := k.Ready() == nil; ready != (c.want == fine) || !k.Stale() {
				t.Errorf("after %v: ready %v, stale %v", c.after, ready, k.Stale())
			}
		}
		if n := len(s.opened); n < 3600 || n > 3600*2.2 {
			t.Errorf("opened %d times in an hour, want every half to whole second", n)
		}
		s.down.Store(false)
		s.says(snapshot(a))
		expect(t, k, map[string]string{a.secret: fine})
	})
}

// TestSnapshotThatNeverEnds doesn't keep old keys alive, however much it says.
func TestSnapshotThatNeverEnds(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		a := issue(hasher(), "key_a")
		s.says(snapshot(a), nil)
		for range 301 {
			time.Sleep(time.Second)
			s.says(added(a))
		}
		expect(t, k, map[string]string{a.secret: off})
	})
}

// TestBrokenCredential ends the feed: what it says isn't to be trusted.
func TestBrokenCredential(t *testing.T) {
	bubble(t, func(t *testing.T, k *keyring.Keyring, s *scripted) {
		a, broken := issue(hasher(), "key_a"), issue(hasher(), "key_b")
		s.says(snapshot(a))
		for _, hash := range [][]byte{nil, make([]byte, 31), make([]byte, 33)} {
			broken.credential.SecretHash = hash
			<-s.opened
			s.says(added(broken))
		}
		<-s.opened
		expect(t, k, map[string]string{a.secret: fine})
	})
}

// TestLog warns once in an outage, not of an end that the other side meant, and holds no secret.
func TestLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s, a := newScripted(), issue(hasher(), "key_a")
		k := keyring.New(s, hasher(), keyring.Options{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = k.Run(ctx) }()
		s.says(snapshot(a), nil, snapshot(a))
		_, _ = k.Verify(t.Context(), a.secret)
		_, _ = k.Verify(t.Context(), apikey.New("live"))
		if strings.Contains(out.String(), "WARN") {
			t.Errorf("an end that was meant:\n%s", out.String())
		}
		for range 2 {
			s.down.Store(true)
			s.says(nil)
			time.Sleep(time.Minute)
			s.down.Store(false)
			s.says(snapshot(a))
		}
		stop()
		synctest.Wait()
		text := out.String()
		if n := strings.Count(text, "WARN"); n != 2 || !strings.Contains(text, "keys=1") || strings.Contains(text, "hg_") {
			t.Errorf("%d warnings in two outages:\n%.5000s", n, text)
		}
	})
}

// TestLogOfAStart: that the keys service isn't there at once is no news, that it still isn't after a while is, once.
func TestLogOfAStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out said
		s := newScripted()
		s.down.Store(true)
		k := keyring.New(s, hasher(), keyring.Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = k.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		if text := out.take(); text != "" {
			t.Errorf("in the first second it says:\n%s", text)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if text := out.take(); strings.Count(text, "WARN") != 1 || !strings.Contains(text, "no key is known yet") {
			t.Errorf("after a minute it says:\n%.2000s", text)
		}
		s.down.Store(false)
		time.Sleep(2 * time.Second)
		s.says(snapshot(), nil)
		stop()
		synctest.Wait()
		if text := out.take(); strings.Contains(text, "broke") {
			t.Errorf("an end that was meant is news:\n%s", text)
		}
	})
}

// said is a log that may be read while it is written.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

// take returns what was said since it was last asked.
func (s *said) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.buf.Reset()
	return s.buf.String()
}

func TestVerifyAllocatesNothing(t *testing.T) {
	s, a := newScripted(), issue(hasher(), "key_a")
	k := keyring.New(s, hasher(), keyring.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = k.Run(ctx) })
	s.feed <- snapshot(a)
	s.feed <- &keysv1.WatchResponse{} // the one before was taken in
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := k.Verify(ctx, a.secret); err != nil {
			t.Error(err)
		}
	}); n >= 1 && !raceDetector {
		t.Errorf("%v allocations", n)
	}
	stop()
	wg.Wait()
}

// TestVerifyWhileKeysChange: a key that stays is accepted at every moment, whatever happens around it.
func TestVerifyWhileKeysChange(t *testing.T) {
	t.Parallel()
	h, s := hasher(), newScripted()
	stays, others := issue(h, "key_stays"), many(h, 200)
	k := keyring.New(s, h, keyring.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = k.Run(ctx) })
	s.feed <- snapshot(stays)
	s.feed <- &keysv1.WatchResponse{}
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := k.Verify(ctx, stays.secret); err != nil {
					t.Errorf("the key that stays: %v", err)
					return
				}
			}
		})
	}
	for range 5 {
		for _, o := range others {
			s.feed <- added(o, stays) // comes again, as a key does that only changed
		}
		for _, o := range others {
			s.feed <- revoked(o.id())
		}
		s.feed <- nil
		s.feed <- snapshot(append(others, stays)...)
	}
	stop()
	wg.Wait()
}
