package memory

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
	"github.com/headgate-mesh/headgate/services/cache/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that only moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newStore(maxBytes, maxEntry int64) (*Store, *clock) {
	c := &clock{now: time.Unix(1000, 0)}
	return New(Options{MaxBytes: maxBytes, MaxEntry: maxEntry, Now: c.Now}), c
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Backend {
		s, c := newStore(64<<20, 1<<20)
		return storetest.Backend{Open: func() store.Store { return s }, Pass: c.pass}
	})
}

func digest(n uint64) (d store.Digest) {
	random := rand.New(rand.NewPCG(n, 7))
	for i := range d {
		d[i] = byte(random.Uint32())
	}
	return d
}

func put(t testing.TB, s *Store, n uint64, size int) error {
	t.Helper()
	k := store.Key{Tenant: "t", Model: "m", Digest: digest(n)}
	r, _ := s.Get(t.Context(), k)
	return s.Put(t.Context(), store.Entry{Key: k, Value: make([]byte, size)}, time.Hour, r.Generation)
}

func found(t testing.TB, s *Store, n uint64) bool {
	t.Helper()
	r, _ := s.Get(t.Context(), store.Key{Tenant: "t", Model: "m", Digest: digest(n)})
	return r.Found
}

// exact adds up what is held, entry by entry.
func exact(t *testing.T, s *Store) (sum store.Size) {
	t.Helper()
	for _, sh := range s.shards {
		for _, q := range []*queue{&sh.small, &sh.main} {
			var bytes int64
			for e := q.first; e != nil; e = e.next {
				bytes += e.cost()
				sum.Entries++
				if sh.entries[e.Key] != e || e.in != q {
					t.Fatal("a queue and the map disagree")
				}
			}
			if bytes != q.bytes {
				t.Fatalf("a queue says %d bytes and holds %d", q.bytes, bytes)
			}
			sum.Bytes += bytes
		}
	}
	return sum
}

// TestBounds: whatever is put, got, withdrawn and swept, the bytes are counted exactly and stay below the bound.
func TestBounds(t *testing.T) {
	t.Parallel()
	const room = 256 << 10
	s, c := newStore(room, 8<<10)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 50_000 {
		switch n := uint64(random.IntN(400)); random.IntN(10) {
		case 0:
			if i%50 == 0 {
				_ = s.Withdraw(t.Context(), store.Scope{Tenant: "t"})
			}
		case 1:
			c.pass(time.Minute)
		case 2:
			if i%20 == 0 {
				s.Sweep()
			}
		case 3, 4, 5:
			_ = put(t, s, n, random.IntN(8<<10))
		default:
			found(t, s, n)
		}
		if i%1000 == 0 {
			size, want := s.Size(), exact(t, s)
			if size.Bytes > room || size.Bytes != want.Bytes || size.Entries != want.Entries {
				t.Fatalf("it says %+v and holds %+v", size, want)
			}
		}
	}
	if s.Size().Evictions == 0 {
		t.Error("nothing had to go")
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	s, _ := newStore(64<<10, 32<<10)
	if err := put(t, s, 1, 65<<10); err != store.ErrTooLarge { //nolint:errorlint // the very value
		t.Errorf("got %v", err)
	}
	if err := put(t, s, 1, 32<<10); err != nil {
		t.Errorf("the largest: %v", err)
	}
}

// TestScansDontFlush: what is asked for again survives a flood of what is asked for once.
func TestScansDontFlush(t *testing.T) {
	t.Parallel()
	s, _ := newStore(1<<20, 4<<10)
	const hot = 50
	for n := range uint64(hot) {
		_ = put(t, s, n, 1<<10)
		found(t, s, n)
		found(t, s, n)
	}
	for n := range uint64(20_000) {
		_ = put(t, s, 1000+n, 1<<10)
		if n%100 == 0 {
			found(t, s, n/100%hot)
		}
	}
	stayed := 0
	for n := range uint64(hot) {
		if found(t, s, n) {
			stayed++
		}
	}
	if stayed < hot*9/10 {
		t.Errorf("%d of %d stayed", stayed, hot)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	s, c := newStore(1<<20, 4<<10)
	for n := range uint64(10) {
		_ = put(t, s, n, 10)
	}
	_ = s.Withdraw(t.Context(), store.Scope{Model: "m"})
	s.Sweep()
	if size := s.Size(); size.Entries != 0 || size.Bytes != 0 {
		t.Errorf("withdrawn: %+v", size)
	}
	_ = put(t, s, 1, 10)
	c.pass(time.Hour)
	s.Sweep()
	if size := s.Size(); size.Entries != 0 || size.Bytes != 0 {
		t.Errorf("old: %+v", size)
	}
}

// TestManyScopesOfManyTenants: the memory for withdrawals is bounded, and each holds.
func TestManyScopesOfManyTenants(t *testing.T) {
	t.Parallel()
	w := newWithdrawals()
	for i := range 3 * maxScopes {
		scope := store.Scope{Tenant: string(rune('a' + i%7)), Model: string(rune(i + 1000))}
		if i%3 == 0 {
			scope.Tenant = string(rune(i + 1000))
		}
		before := w.current(scope.Tenant, scope.Model)
		w.add(scope)
		if w.current(scope.Tenant, scope.Model) <= before {
			t.Fatal("a withdrawal didn't count")
		}
		if i%1000 != 0 {
			continue
		}
		n := len(w.byModel) + len(w.byTenant)
		for _, tenant := range w.byTenant {
			n += len(tenant.byModel)
		}
		if n > maxScopes+1 {
			t.Fatalf("%d scopes", n)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s, _ := newStore(64<<20, 1<<20)
	var keys []store.Key
	for n := range uint64(1000) {
		_ = put(b, s, n, 4<<10)
		keys = append(keys, store.Key{Tenant: "t", Model: "m", Digest: digest(n)})
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if r, _ := s.Get(b.Context(), keys[i%1000]); !r.Found {
				b.Fatal("missing")
			}
		}
	})
}
