package redis_test

import (
	"context"
	crand "crypto/rand"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/redisserver"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/memory"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/redis"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is that of a store's scripts.
type clock struct {
	now    time.Time
	stores []*redis.Store
}

func (c *clock) Now() time.Time { return c.now }

func (c *clock) Advance(d time.Duration) {
	c.now = c.now.Add(d.Truncate(time.Microsecond))
	for _, s := range c.stores {
		s.SetTime(c.now)
	}
}

func open(t *testing.T, s *redisserver.Server, prefix string) *redis.Store {
	t.Helper()
	st, err := redis.Open(redis.Options{URL: s.URL(), Prefix: prefix, PoolSize: 32, Network: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := redisserver.New(t)
	n := 0
	storetest.Run(t, func(t *testing.T) (store.Store, storetest.Clock) {
		n++
		st := open(t, s, "t"+strconv.Itoa(n))
		c := &clock{now: time.Unix(1_700_000_000, 0), stores: []*redis.Store{st}}
		c.Advance(0)
		return &losing{Store: st, t: t}, c
	}, 5000)
}

// losing is a store on a server of the test's own, which may lose everything.
type losing struct {
	*redis.Store

	t *testing.T
}

// Forget empties the server.
func (l *losing) Forget() { must(l.t, l.Client().FlushAll(l.t.Context()).Err()) }

// Every key has to run out by itself, and all keys of an operation have to be in one slot, whatever the tenant is called.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := redisserver.New(t, "--cluster-enabled", "yes")
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr})
	t.Cleanup(func() { _ = c.Close() })
	if err := c.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	redisserver.Eventually(t, 10*time.Second, func() bool {
		info, _ := c.ClusterInfo(t.Context()).Result()
		return strings.Contains(info, "cluster_state:ok")
	})
	st, err := redis.Open(redis.Options{URL: s.URL(), Cluster: true, Prefix: "t", PoolSize: 4, Network: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	for _, tenant := range []string{"acme", "}x", "{}", "a:b", "ü"} {
		exercise(t, st, tenant)
	}
	keys, err := c.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) < 20 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, k := range keys {
		if ttl := c.PTTL(t.Context(), k).Val(); ttl <= 0 || ttl > time.Hour {
			t.Errorf("%s lives for %v", k, ttl)
		}
	}
	first(t, st)
}

// first wants each tenant of a cluster to have its own beginning, where its accounts are.
func first(t *testing.T, st store.Store) {
	t.Helper()
	scope := store.Scope{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ID: "k", Limits: store.Limits{Budget: 5, Period: store.Total}}
	var early *store.SettlingError
	for _, tenant := range []string{"acme", "other"} {
		err := st.Seed(t.Context(), store.Seed{Tenant: tenant, Scope: scope})
		if !errors.As(err, &early) || early.Wait != store.Settling {
			t.Errorf("%s: %v", tenant, err)
		}
	}
}

// exercise runs every operation once.
func exercise(t *testing.T, st store.Store, tenant string) {
	t.Helper()
	scopes := []store.Scope{
		{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ID: "k:{1}", Limits: store.Limits{Requests: 1000, Tokens: 1000, Concurrency: 10}},
		{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_TENANT, ID: tenant, Limits: store.Limits{Requests: 1000, Concurrency: 10}},
	}
	_, err := st.Reserve(t.Context(), store.Call{ID: "1", Holder: "h", Tenant: tenant, Scopes: scopes, Tokens: 5, Hold: time.Minute})
	must(t, err)
	must(t, st.Settle(t.Context(), store.Settlement{ID: "2", Holder: "h", Tenant: tenant, Scopes: scopes}))
	_, err = st.Lease(t.Context(), store.Renewal{
		Holder: "h", Tenant: tenant, Sequence: 1, Valid: time.Second,
		Stocks: []store.Stock{{Scope: scopes[0], WantRequests: 5}, {Scope: scopes[1], WantRequests: 5}},
	})
	must(t, err)
	_, err = st.Balances(t.Context(), tenant, scopes)
	must(t, err)
	_, err = st.Alive(t.Context(), "g", []string{"h"}, time.Second*5)
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The server may lose its scripts, its data or its life: the next operation works again, and at most a burst is given
// twice.
func TestLosses(t *testing.T) {
	t.Parallel()
	s := redisserver.New(t)
	st := open(t, s, "t")
	scopes := []store.Scope{{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ID: "k", Limits: store.Limits{Requests: 5}}}
	admit := func() (n int) {
		for i := range 10 {
			a, err := st.Reserve(t.Context(), store.Call{ID: crand.Text() + strconv.Itoa(i), Holder: "h", Tenant: "a", Scopes: scopes, Hold: time.Minute})
			must(t, err)
			if a.Refusal == nil {
				n++
			}
		}
		return n
	}
	if n := admit(); n != 5 {
		t.Fatalf("%d admitted", n)
	}
	must(t, st.Client().ScriptFlush(t.Context()).Err())
	if n := admit(); n != 0 {
		t.Errorf("after the scripts were lost: %d admitted", n)
	}
	must(t, st.Client().FlushAll(t.Context()).Err())
	if n := admit(); n != 5 {
		t.Errorf("after the data was lost: %d admitted", n)
	}
	s.Kill()
	if _, err := st.Balances(t.Context(), "a", scopes); err == nil {
		t.Error("a dead server answered")
	}
	s.Start()
	redisserver.Eventually(t, 5*time.Second, func() bool { _, err := st.Balances(t.Context(), "a", scopes); return err == nil })
	if n := admit(); n != 5 {
		t.Errorf("after a restart: %d admitted", n)
	}
}

// A context is kept to, also where the server doesn't answer.
func TestStall(t *testing.T) {
	t.Parallel()
	s := redisserver.New(t)
	st := open(t, s, "t")
	_, err := st.Alive(t.Context(), "g", nil, time.Second)
	must(t, err)
	s.Stall()
	defer s.Resume()
	for range 5 {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, err := st.Alive(ctx, "g", nil, time.Second)
		cancel()
		if took := time.Since(began); err == nil || took > 100*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
	}
}

// The scripts and the memory store answer alike, step by step.
func TestLikeMemory(t *testing.T) {
	t.Parallel()
	s := redisserver.New(t)
	st := open(t, s, "t")
	c := &clock{now: time.Unix(1_700_000_000, 0), stores: []*redis.Store{st}}
	c.Advance(0)
	both := &twin{t: t, a: memory.New(c.Now), b: st}
	storetest.Model(t, both, c, 4000, time.Now().UnixNano())
}

// So they do about money, over years of it.
func TestLikeMemoryOfMoney(t *testing.T) {
	t.Parallel()
	s := redisserver.New(t)
	st := open(t, s, "t")
	c := &clock{now: time.Unix(1_700_000_000, 0), stores: []*redis.Store{st}}
	c.Advance(0)
	both := &twin{t: t, a: memory.New(c.Now), b: st}
	storetest.MoneyModel(t, both, c, 4000, time.Now().UnixNano())
	months(t, both, c)
}

// months wants every month of some years, a leap year and a century's end among them, to end when the calendar says.
func months(t *testing.T, s store.Store, c *clock) {
	t.Helper()
	scope := []store.Scope{{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ID: "m", Limits: store.Limits{Budget: 1, Period: store.Month}}}
	for _, year := range []int{2023, 2024, 2099, 2100} {
		for day := range 366 {
			c.Advance(time.Date(year, 1, 1+day, 23, 59, 59, 0, time.UTC).Sub(c.now))
			if _, err := s.Balances(t.Context(), "acme", scope); err != nil {
				t.Fatal(err)
			}
		}
	}
}
