package keyring_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/keyring"
)

// loaded is a keyring that knows these keys, and what speaks to it.
func loaded(b *testing.B, h *apikey.Hasher, list []issued) (*keyring.Keyring, *scripted) {
	b.Helper()
	s := newScripted()
	k := keyring.New(s, h, keyring.Options{})
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = k.Run(ctx) })
	s.feed <- snapshot(list...)
	s.feed <- &keysv1.WatchResponse{}
	b.Cleanup(func() {
		stop()
		wg.Wait()
	})
	return k, s
}

// sizes are how many keys a mesh has.
var sizes = []int{1, 100, 10_000, 100_000}

func BenchmarkVerify(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			h := hasher()
			list := many(h, n)
			k, _ := loaded(b, h, list)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := k.Verify(b.Context(), list[i%n].secret); err != nil {
					b.Fatal(err)
				}
				i++ // hashes are random, so each lookup goes to another place
			}
		})
	}
}

// BenchmarkVerifyTwoSecrets is keys that were all rotated, half of whose callers haven't changed over.
func BenchmarkVerifyTwoSecrets(b *testing.B) {
	const n = 10_000
	h := hasher()
	old := many(h, n)
	now := make([]issued, n)
	for i := range now {
		now[i] = old[i].rotated(h, time.Now().Add(time.Hour))
	}
	k, _ := loaded(b, h, now)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		list := [2][]issued{old, now}[i%2]
		if _, err := k.Verify(b.Context(), list[i%n].secret); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkVerifyParallel(b *testing.B) {
	h := hasher()
	list := many(h, 10_000)
	k, _ := loaded(b, h, list)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			_, _ = k.Verify(b.Context(), list[i%len(list)].secret)
		}
	})
}

func BenchmarkRefuseMalformed(b *testing.B) {
	k, _ := loaded(b, hasher(), nil)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = k.Verify(b.Context(), "hg_live_0123456789ABCDEFGHIJKLMNOPQRST0JVE6q")
	}
}

// BenchmarkChange is a key that comes and goes: two messages.
func BenchmarkChange(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			h := hasher()
			_, s := loaded(b, h, many(h, n))
			one := issue(h, "key_one")
			b.ReportAllocs()
			for b.Loop() {
				s.feed <- added(one)
				s.feed <- revoked("key_one")
			}
		})
	}
}

// BenchmarkSnapshot is all keys at once.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			h := hasher()
			all := snapshot(many(h, n)...)
			_, s := loaded(b, h, nil)
			for b.Loop() {
				s.feed <- nil
				s.feed <- all
				s.feed <- &keysv1.WatchResponse{}
			}
		})
	}
}
