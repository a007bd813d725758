package redis

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/headgate-mesh/headgate/services/cache/internal/redistest"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
	"github.com/headgate-mesh/headgate/services/cache/internal/store/storetest"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(&logging.VoidLogger{})
	goleak.VerifyTestMain(m)
}

// patient is a time limit that a busy machine keeps to.
const patient = 5 * time.Second

func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Pool == 0 {
		o.Pool = 16
	}
	if o.Timeout == 0 {
		o.Timeout = patient
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func backend(t *testing.T, r *redistest.Server, cluster bool) storetest.Backend {
	return storetest.Backend{
		Open: func() store.Store { return open(t, Options{URL: r.URL(), Cluster: cluster}) },
		Pass: func(d time.Duration) { r.Pass(t, d) },
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		r := redistest.Start(t)
		t.Cleanup(func() { r.EveryKeyEnds(t, nodeTTL) })
		return backend(t, r, false)
	})
}

func TestStoreInACluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a cluster takes seconds to come up")
	}
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		r := redistest.Start(t, "--cluster-enabled", "yes")
		r.AsCluster(t)
		b := backend(t, r, true)
		open := b.Open
		b.Open = func() store.Store {
			s := open()
			waitFor(t, s)
			return s
		}
		return b
	})
}

func waitFor(t *testing.T, s store.Store) {
	t.Helper()
	deadline := time.Now().Add(patient)
	for {
		if _, err := s.Get(t.Context(), place(9)); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func place(n byte) store.Key { return store.Key{Tenant: "t", Model: "m", Digest: store.Digest{n}} }

func put(t *testing.T, s store.Store, k store.Key, value string) {
	t.Helper()
	r, err := s.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), store.Entry{Key: k, Value: []byte(value)}, time.Minute, r.Generation); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s store.Store, k store.Key) store.Result {
	t.Helper()
	r, err := s.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDamagedEntries: every change of a single byte, every cut, and every entry in another's place is noticed.
func TestDamagedEntries(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s, c := open(t, Options{URL: r.URL()}), r.Client()
	defer c.Close()
	k := place(1)
	put(t, s, k, "the answer")
	good, err := c.Get(t.Context(), entryKey(k)).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	set := func(k store.Key, value []byte) {
		if err := c.Set(t.Context(), entryKey(k), value, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range good {
		bad := []byte(string(good))
		bad[i] ^= 1 << (i % 8)
		for _, value := range [][]byte{bad, good[:i]} {
			set(k, value)
			if got := get(t, s, k); got.Found || !got.Damaged {
				t.Fatalf("byte %d: found %v, damaged %v", i, got.Found, got.Damaged)
			}
		}
	}
	for _, other := range []store.Key{place(2), {Tenant: "u", Model: "m", Digest: k.Digest}, {Tenant: "t", Model: "n", Digest: k.Digest}} {
		get(t, s, other) // what lies there before a tenant's first lookup isn't looked at
		set(other, good)
		if got := get(t, s, other); got.Found || !got.Damaged {
			t.Errorf("%+v: found %v, damaged %v", other, got.Found, got.Damaged)
		}
	}
	set(k, good)
	if got := get(t, s, k); !got.Found || got.Damaged {
		t.Errorf("the good one: %+v", got)
	}
}

// TestLostWithdrawals: whatever hash is evicted, nothing withdrawn comes back.
func TestLostWithdrawals(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s, c := open(t, Options{URL: r.URL()}), r.Client()
	defer c.Close()
	for _, lost := range []string{allKey, tenantKey("t"), nodeKey} {
		for _, scope := range []store.Scope{{}, {Tenant: "t"}, {Model: "m"}, {Tenant: "t", Model: "m"}} {
			put(t, s, place(1), "old")
			if err := s.Withdraw(t.Context(), scope); err != nil {
				t.Fatal(err)
			}
			if err := c.Del(t.Context(), lost).Err(); err != nil {
				t.Fatal(err)
			}
			if get(t, s, place(1)).Found {
				t.Errorf("%s is lost after %+v: the old answer is back", lost, scope)
			}
		}
	}
}

// TestServerRestartsFromDisk: a server that comes back with what it had a while ago has lost withdrawals; its entries are
// not found.
func TestServerRestartsFromDisk(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s, c := open(t, Options{URL: r.URL()}), r.Client()
	put(t, s, place(1), "old")
	if err := c.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Withdraw(t.Context(), store.Scope{Tenant: "t"}); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	r.Stop()
	r.Start(t)
	c = r.Client()
	defer c.Close()
	if c.Exists(t.Context(), entryKey(place(1))).Val() != 1 {
		t.Fatal("the server should have the entry again")
	}
	for _, s := range []*Store{s, open(t, Options{URL: r.URL()})} {
		waitFor(t, s)
		if get(t, s, place(1)).Found {
			t.Error("the withdrawn answer is back")
		}
	}
	put(t, s, place(1), "new")
	if another := open(t, Options{URL: r.URL()}); !get(t, another, place(1)).Found {
		t.Error("a new connection to the same server withdraws nothing")
	}
}

// silent accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			c, err := lis.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = lis.Close(); <-done })
	return "redis://" + lis.Addr().String()
}

// TestAbsentRedis: a Redis that isn't there, or doesn't answer, costs a lookup no more than its deadline, and after a few
// nothing at all; a withdrawal fails, and says so in time.
func TestAbsentRedis(t *testing.T) {
	t.Parallel()
	const limit, slack = 25 * time.Millisecond, 500 * time.Millisecond // a busy machine is late; the defaults would take seconds
	for name, url := range map[string]string{"silent": silent(t), "refuses": "redis://127.0.0.1:" + redistest.FreePort(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var now atomic.Int64
			s := open(t, Options{URL: url, Timeout: 50 * time.Millisecond, Now: func() time.Time { return time.Unix(now.Load(), 0) }})
			for i := range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				start := time.Now()
				r, err := s.Get(ctx, place(1))
				took := time.Since(start)
				cancel()
				if err == nil || r.Found || took > limit+slack {
					t.Errorf("get: %v after %v", err, took)
				}
				if i >= 5 && (err != errPaused || took > slack/2) { //nolint:errorlint // the very value
					t.Errorf("the breaker isn't open: %v after %v", err, took)
				}
			}
			start := time.Now()
			err := s.Withdraw(t.Context(), store.Scope{})
			if took := time.Since(start); err == nil || took > 3*time.Second {
				t.Errorf("withdraw: %v after %v", err, took)
			}
			now.Add(60)
			if _, err := s.Get(t.Context(), place(1)); err == errPaused { //nolint:errorlint // the very value
				t.Error("it is never asked again")
			}
		})
	}
}

// TestRedisComesBack: the breaker closes again, by a withdrawal or by itself.
func TestRedisComesBack(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	var now atomic.Int64
	s := open(t, Options{URL: r.URL(), Timeout: time.Second, Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	put(t, s, place(1), "x")
	r.Stop()
	for range 10 {
		if got, err := s.Get(t.Context(), place(1)); err == nil || got.Found {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if err := s.Withdraw(t.Context(), store.Scope{}); err == nil {
		t.Fatal("a withdrawal succeeds without a Redis")
	}
	r.Start(t)
	now.Add(60)
	put(t, s, place(1), "x")
	if !get(t, s, place(1)).Found {
		t.Error("missing")
	}
}

func TestAddressesArentTold(t *testing.T) {
	t.Parallel()
	for _, cluster := range []bool{false, true} {
		for _, url := range []string{"http://user:canary@host", "redis://:canary@h:x y/", "redis://h/canary", "canary"} {
			_, err := New(Options{URL: url, Cluster: cluster, Now: time.Now})
			if CheckURL(url, cluster) == nil {
				continue // a cluster's address has no database
			}
			if err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
}

func BenchmarkGet(b *testing.B) {
	r := redistest.Start(b)
	s := open(b, Options{URL: r.URL()})
	k := place(1)
	first, err := s.Get(b.Context(), k)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Put(b.Context(), store.Entry{Key: k, Value: make([]byte, 4<<10)}, time.Hour, first.Generation); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := s.Get(b.Context(), k); err != nil || !r.Found {
			b.Fatal(r.Found, err)
		}
	}
}
