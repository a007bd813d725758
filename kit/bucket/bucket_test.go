package bucket_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/kit/bucket"
)

var start = time.Unix(1_700_000_000, 0)

func TestRefill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		limit  int64
		spent  int64
		passed time.Duration
		left   int64
		reset  time.Duration
	}{
		{"full", 60, 0, 0, 60, 0},
		{"nothing passed", 60, 60, 0, 0, time.Minute},
		{"half a unit isn't one", 60, 60, 500 * time.Millisecond, 0, 59500 * time.Millisecond},
		{"one a second", 60, 60, time.Second, 1, 59 * time.Second},
		{"never more than the limit", 60, 60, time.Hour, 60, 0},
		{"an overrun", 60, 90, 10 * time.Second, -20, 80 * time.Second},
		{"the clock went back", 60, 30, -time.Hour, 30, 30 * time.Second},
		{"the largest limit, years later", bucket.MaxLimit, bucket.MaxLimit, 100_000 * time.Hour, bucket.MaxLimit, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := bucket.New(c.limit, start)
			b.Spend(c.spent)
			b.Advance(c.limit, start.Add(c.passed))
			if b.Left() != c.left || b.Reset() != c.reset {
				t.Errorf("%d left, reset in %v; want %d, %v", b.Left(), b.Reset(), c.left, c.reset)
			}
		})
	}
}

// Steps smaller than a unit, and than a microsecond, lose nothing.
func TestSmallSteps(t *testing.T) {
	t.Parallel()
	b, now := bucket.New(60, start), start
	b.Spend(60)
	for now.Sub(start) < time.Second {
		now = now.Add(700 * time.Nanosecond)
		b.Advance(60, now)
	}
	if b.Left() != 1 {
		t.Errorf("%d left after a second", b.Left())
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	b := bucket.New(100, start)
	c := b.Take(60)
	if b.Left() != 40 || b.Worth(c) != 60 {
		t.Fatalf("%d left, worth %d", b.Left(), b.Worth(c))
	}
	b.Advance(100, start.Add(18*time.Second)) // 30 come back by themselves: what could come back is worth less
	if b.Left() != 70 || b.Worth(c) != 30 {
		t.Fatalf("%d left, worth %d", b.Left(), b.Worth(c))
	}
	d := b.Take(10)
	c = b.Draw(c, 10)
	if b.Left() != 70 || b.Worth(c) != 20 || b.Worth(d) != 10 {
		t.Fatalf("%d left, worth %d and %d", b.Left(), b.Worth(c), b.Worth(d))
	}
	b.Return(d, 4)
	b.Return(c, 100)
	if b.Left() != 94 {
		t.Errorf("%d left", b.Left())
	}
	b.Return(bucket.Claim{}, 100)
	if b.Left() != 94 {
		t.Error("a claim of nothing brought something back")
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	b := bucket.New(100, start)
	b.Hold(40)
	b.Advance(100, start.Add(time.Hour))
	if b.Left() != 60 || b.Held() != 40 || b.Room(61) || b.Reset() != 0 {
		t.Fatalf("%d left, %d held, reset %v", b.Left(), b.Held(), b.Reset())
	}
	b.Release(40, 10)
	if b.Left() != 70 || b.Held() != 0 {
		t.Errorf("%d left, %d held", b.Left(), b.Held())
	}
}

func TestLimitChanges(t *testing.T) {
	t.Parallel()
	b := bucket.New(100, start)
	b.Spend(60)
	for _, c := range []struct{ limit, left int64 }{{200, 140}, {50, -10}, {100, 40}, {0, -60}, {100, 40}} {
		if b.Advance(c.limit, start); b.Left() != c.left {
			t.Errorf("limit %d: %d left, want %d", c.limit, b.Left(), c.left)
		}
	}
}

// FuzzBucket holds random sequences against the promise: what was used in a window is at most the limit, and what
// refills in it.
func FuzzBucket(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		sequence(t, rand.New(rand.NewPCG(seed, 2)))
	})
}

// use is one admission: what it reserved, and, when that is known, what it used.
type use struct {
	at    time.Time
	n     int64
	claim bucket.Claim
	ended bool
}

func sequence(t *testing.T, r *rand.Rand) {
	t.Helper()
	const limit = 1000
	now := start
	b := bucket.New(limit, now)
	var log []*use
	for range 400 {
		now = now.Add(time.Duration(r.ExpFloat64() * float64(2*time.Second)))
		b.Advance(limit, now)
		switch n := r.Int64N(400); r.IntN(3) {
		case 0, 1:
			if b.Wait(n) == 0 {
				log = append(log, &use{at: now, n: n, claim: b.Take(n)})
			}
		default:
			if len(log) == 0 {
				continue
			}
			if u := log[r.IntN(len(log))]; !u.ended {
				used := r.Int64N(u.n + 1)
				b.Return(u.claim, u.n-used)
				u.n, u.ended = used, true
			}
		}
	}
	var level float64
	last := start
	for _, u := range log {
		level = max(0, level-limit*u.at.Sub(last).Minutes()) + float64(u.n)
		if last = u.at; level > limit+1e-3 {
			t.Fatalf("%v after the start %.3f are in use", u.at.Sub(start), level)
		}
	}
}

func BenchmarkTakeReturn(b *testing.B) {
	k, now := bucket.New(bucket.MaxLimit, start), start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		k.Advance(bucket.MaxLimit, now)
		k.Return(k.Take(100), 50)
	}
}
