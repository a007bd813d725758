package apikey_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"sync"
	"testing"

	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
)

func secret() auth.Secret { return auth.Secret("a root secret for tests, 32 byte") }

func TestHashIsHMAC(t *testing.T) {
	t.Parallel()
	mac := hmac.New(sha256.New, secret().Derive("api key hash"))
	for _, key := range []string{apikey.New("live"), apikey.New("abcdefghijklmnop"), "", "a text longer than any key that New ever makes, to the end of its buffer"} {
		mac.Reset()
		mac.Write([]byte(key))
		if got := apikey.NewHasher(secret()).Hash(key); !hmac.Equal(got[:], mac.Sum(nil)) {
			t.Errorf("%q: %x", key, got)
		}
	}
}

// TestHashIsFixed holds the hashes still: stores are full of them.
func TestHashIsFixed(t *testing.T) {
	t.Parallel()
	const want = "ad5c2e8104f90ff20e1a841db856ad0a10a2b0c975bc295d9ec33e320965f6ca"
	got := apikey.NewHasher(secret()).Hash("hg_live_0123456789ABCDEFGHIJKLMNOPQRST0JVE6p")
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("got %x", got)
	}
}

func TestHashDependsOnTheSecret(t *testing.T) {
	t.Parallel()
	key := apikey.New("live")
	seen := map[apikey.Hash]bool{}
	for _, s := range []auth.Secret{secret(), auth.Secret("another secret, of enough length"), nil, nil} {
		seen[apikey.NewHasher(s).Hash(key)] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d different hashes of 4", len(seen))
	}
}

func TestHashConcurrently(t *testing.T) {
	t.Parallel()
	h := apikey.NewHasher(secret())
	var wg sync.WaitGroup
	for range 8 {
		key := apikey.New("live")
		want := apikey.NewHasher(secret()).Hash(key)
		wg.Go(func() {
			for range 1000 {
				if h.Hash(key) != want {
					t.Error("another hash")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestIDAndHint(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^key_[0-9A-Za-z]{20}$`)
	a, b := apikey.NewID(), apikey.NewID()
	if !shape.MatchString(a) || a == b {
		t.Errorf("ids %q, %q", a, b)
	}
	if got := apikey.Hint("hg_live_0123456789ABCDEFGHIJKLMNOPQRST0JVE6p"); got != "hg_live_0123" {
		t.Errorf("hint %q", got)
	}
	if got := apikey.Hint("short"); got != "" {
		t.Errorf("hint %q", got)
	}
}

func BenchmarkHash(b *testing.B) {
	h, key := apikey.NewHasher(secret()), apikey.New("live")
	b.ReportAllocs()
	for b.Loop() {
		h.Hash(key)
	}
}

func BenchmarkHashParallel(b *testing.B) {
	h, key := apikey.NewHasher(secret()), apikey.New("live")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Hash(key)
		}
	})
}
