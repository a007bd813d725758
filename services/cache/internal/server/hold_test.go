package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

func named(n byte) []byte { return append(make([]byte, 15), n) }

// want is a lookup that wants the lease.
func want(t *testing.T, s *Server, n byte) *cachev1.LookupResponse {
	t.Helper()
	r, err := s.Lookup(t.Context(), &cachev1.LookupRequest{Digest: digest(1), Tenant: "t", Model: "m", Holder: named(n)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func hold(ctx context.Context, s *Server, n byte, wait time.Duration) (cachev1.Lease, error) {
	r, err := s.Hold(ctx, &cachev1.HoldRequest{Digest: digest(1), Tenant: "t", Model: "m", Holder: named(n), Wait: durationpb.New(wait)})
	return r.GetLease(), err
}

// waiters hold in the background, and tell what they got and after what time.
type waiters struct {
	wg    sync.WaitGroup
	mu    sync.Mutex
	leads map[cachev1.Lease][]time.Duration
}

func (w *waiters) start(t *testing.T, s *Server, n byte, wait time.Duration) {
	began := time.Now()
	w.wg.Go(func() {
		l, err := hold(t.Context(), s, n, wait)
		if err != nil {
			t.Errorf("holder %d: %v", n, err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.leads == nil {
			w.leads = make(map[cachev1.Lease][]time.Duration)
		}
		w.leads[l] = append(w.leads[l], time.Since(began))
	})
}

// got waits for everybody and returns how many came to a lease, and the longest that one of them took.
func (w *waiters) got(l cachev1.Lease) (n int, longest time.Duration) {
	w.wg.Wait()
	for _, d := range w.leads[l] {
		longest = max(longest, d)
	}
	return len(w.leads[l]), longest
}

// bubble runs a test of two waiters behind holder 1 on a clock of its own.
func bubble(t *testing.T, test func(t *testing.T, s *Server, first *cachev1.LookupResponse, w *waiters)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, w := newServer(t, inMemory()), &waiters{}
		first := want(t, s, 1)
		if first.GetLease() != cachev1.Lease_LEASE_GRANTED {
			t.Fatalf("the first one gets %v", first.GetLease())
		}
		if l := want(t, s, 2).GetLease(); l != cachev1.Lease_LEASE_FILLING {
			t.Fatalf("the second one gets %v", l)
		}
		w.start(t, s, 2, 5*time.Second)
		w.start(t, s, 3, 5*time.Second)
		synctest.Wait()
		test(t, s, first, w)
	})
}

func TestHoldUntilItIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, first *cachev1.LookupResponse, w *waiters) {
		for range 3 { // the first one takes long, and says so
			time.Sleep(time.Second)
			if l, err := hold(t.Context(), s, 1, 0); l != cachev1.Lease_LEASE_GRANTED || err != nil {
				t.Fatalf("the holder gets %v, %v", l, err)
			}
		}
		r, err := s.Store(t.Context(), &cachev1.StoreRequest{
			Digest: digest(1), Tenant: "t", Model: "m", Value: []byte("x"), Generation: first.GetGeneration(), Holder: named(1),
		})
		if err != nil || !r.GetStored() || r.GetWithdrawn() {
			t.Fatalf("%v, %v", r, err)
		}
		if n, longest := w.got(cachev1.Lease_LEASE_KEPT); n != 2 || longest != 3*time.Second {
			t.Errorf("%d hear of it after %v", n, longest)
		}
		if l := want(t, s, 4); !l.GetFound() || l.GetLease() != cachev1.Lease_LEASE_UNSPECIFIED {
			t.Errorf("got %v", l)
		}
	})
}

// TestHoldUntilOneIsGranted: one of those that wait comes next, the other goes on waiting.
func TestHoldUntilOneIsGranted(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, _ *cachev1.LookupResponse, w *waiters) {
		time.Sleep(time.Second)
		_, err := s.Release(t.Context(), &cachev1.ReleaseRequest{Digest: digest(1), Tenant: "t", Model: "m", Holder: named(1)})
		if err != nil {
			t.Fatal(err)
		}
		n, longest := w.got(cachev1.Lease_LEASE_GRANTED)
		if n != 2 || len(w.leads) != 1 {
			t.Fatalf("%v", w.leads)
		}
		// The one that came next did nothing with it: its lease lapsed, and then it was the other's.
		if longest < 3*time.Second || longest > 3*time.Second+longestPause {
			t.Errorf("the last one after %v", longest)
		}
	})
}

func TestHoldUntilItIsDeclined(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, _ *cachev1.LookupResponse, w *waiters) {
		_, err := s.Release(t.Context(), &cachev1.ReleaseRequest{Digest: digest(1), Tenant: "t", Model: "m", Holder: named(1), Declined: true})
		if err != nil {
			t.Fatal(err)
		}
		if n, longest := w.got(cachev1.Lease_LEASE_DECLINED); n != 2 || longest != 0 {
			t.Errorf("%d hear of it after %v", n, longest)
		}
		if l := want(t, s, 4); l.GetLease() != cachev1.Lease_LEASE_DECLINED || len(l.GetGeneration()) == 0 {
			t.Errorf("got %v", l)
		}
		time.Sleep(store.DeclinedTTL)
		if l := want(t, s, 4).GetLease(); l != cachev1.Lease_LEASE_GRANTED {
			t.Errorf("got %v", l)
		}
	})
}

// TestHoldUntilTheWaitIsOver, for those that wait no longer than that.
func TestHoldUntilTheWaitIsOver(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, _ *cachev1.LookupResponse, w *waiters) {
		go func() {
			for range 20 {
				_, _ = hold(t.Context(), s, 1, 0)
				time.Sleep(500 * time.Millisecond)
			}
		}()
		if n, longest := w.got(cachev1.Lease_LEASE_FILLING); n != 2 || longest != 5*time.Second {
			t.Errorf("%d give up after %v", n, longest)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := hold(ctx, s, 2, 5*time.Second); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("a caller that leaves: %v after %v", err, time.Since(began))
		}
		if len(s.waits.all) > 0 {
			t.Error("a lease is looked at for nobody")
		}
		time.Sleep(10 * time.Second)
	})
}

// TestRefreshEndsTheWait: an answer that somebody keeps without a lease is as good.
func TestRefreshEndsTheWait(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, first *cachev1.LookupResponse, w *waiters) {
		time.Sleep(time.Second)
		r, err := s.Store(t.Context(), &cachev1.StoreRequest{
			Digest: digest(1), Tenant: "t", Model: "m", Value: []byte("x"), Generation: first.GetGeneration(),
		})
		if err != nil || !r.GetStored() {
			t.Fatalf("%v, %v", r, err)
		}
		if n, longest := w.got(cachev1.Lease_LEASE_KEPT); n != 2 || longest != time.Second {
			t.Errorf("%d hear of it after %v", n, longest)
		}
		if l, _ := hold(t.Context(), s, 1, 0); l != cachev1.Lease_LEASE_KEPT {
			t.Errorf("the holder gets %v", l)
		}
	})
}

func TestWithdrawnMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, first *cachev1.LookupResponse, w *waiters) {
		if _, err := s.Invalidate(as(t.Context(), accessv1.Role_ROLE_ADMIN, ""), &cachev1.InvalidateRequest{All: true}); err != nil {
			t.Fatal(err)
		}
		r, err := s.Store(t.Context(), &cachev1.StoreRequest{
			Digest: digest(1), Tenant: "t", Model: "m", Value: []byte("x"), Generation: first.GetGeneration(), Holder: named(1),
		})
		if err != nil || r.GetStored() || !r.GetWithdrawn() {
			t.Errorf("%v, %v", r, err)
		}
		if l, _ := hold(t.Context(), s, 1, 0); l != cachev1.Lease_LEASE_GRANTED {
			t.Errorf("the lease is the holder's to pass on, and it gets %v", l)
		}
		if n, _ := w.got(cachev1.Lease_LEASE_KEPT); n > 0 {
			t.Error("a withdrawn answer is kept")
		}
	})
}

// looked counts the looks at leases.
type looked struct {
	store.Store

	looks atomic.Int64
}

func (l *looked) Lease(ctx context.Context, k store.Key) (store.Lease, error) {
	l.looks.Add(1)
	return l.Store.Lease(ctx, k)
}

// TestOneLookForAll: however many wait for one lease, it is looked at ten times a second.
func TestOneLookForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, w := &looked{Store: inMemory()}, &waiters{}
		s := newServer(t, l)
		want(t, s, 1)
		for n := range byte(50) {
			w.start(t, s, n+2, 1900*time.Millisecond)
		}
		if n, _ := w.got(cachev1.Lease_LEASE_FILLING); n != 50 || l.looks.Load() < 10 || l.looks.Load() > 25 {
			t.Errorf("%d wait to the end, %d looks", n, l.looks.Load())
		}
	})
}

// TestHoldWithoutBackend: whoever waits is told at once, or soon.
func TestHoldWithoutBackend(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]broken{"down": {err: errors.New("down")}, "slow": {wait: true}} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, b)
			began := time.Now()
			if l, err := hold(t.Context(), s, 1, 5*time.Second); l != cachev1.Lease_LEASE_UNSPECIFIED || err != nil || time.Since(began) > holdTimeout {
				t.Errorf("%s: %v, %v after %v", name, l, err, time.Since(began))
			}
			if _, err := s.Release(t.Context(), &cachev1.ReleaseRequest{Digest: digest(1), Tenant: "t", Model: "m", Holder: named(1)}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if r := want(t, s, 1); r.GetLease() != cachev1.Lease_LEASE_UNSPECIFIED {
				t.Errorf("%s: %v", name, r)
			}
		})
	}
}

// TestLeaseBackendDown: an answer that can be looked up but not leased is asked for, and kept, all the same.
func TestLeaseBackendDown(t *testing.T) {
	t.Parallel()
	s := newServer(t, leaseless{inMemory()})
	if r := want(t, s, 1); r.GetLease() != cachev1.Lease_LEASE_UNSPECIFIED || len(r.GetGeneration()) == 0 {
		t.Errorf("got %v", r)
	}
}

// leaseless fails at leases alone.
type leaseless struct{ store.Store }

func (leaseless) Acquire(context.Context, store.Key, store.Holder) (store.Result, store.Lease, error) {
	return store.Result{}, store.Free, errors.New("down")
}

func TestLeasesOfOthers(t *testing.T) {
	t.Parallel()
	s := newServer(t, inMemory())
	ctx := as(t.Context(), accessv1.Role_ROLE_CLIENT, "u")
	if _, err := hold(ctx, s, 1, 0); err == nil {
		t.Error("a key of another tenant holds a lease")
	}
	if _, err := s.Release(ctx, &cachev1.ReleaseRequest{Digest: digest(1), Tenant: "t", Model: "m", Holder: named(1)}); err == nil {
		t.Error("a key of another tenant releases a lease")
	}
}

// TestCoalescedIsCounted, once, and as a hit too.
func TestCoalescedIsCounted(t *testing.T) {
	t.Parallel()
	s := newServer(t, inMemory())
	keep(t, s, "t", 1, "x")
	for range 2 {
		want(t, s, 2)
	}
	if _, err := s.Lookup(t.Context(), &cachev1.LookupRequest{Digest: digest(1), Tenant: "t", Model: "m", Waited: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lookup(t.Context(), &cachev1.LookupRequest{Digest: digest(2), Tenant: "t", Model: "m", Waited: true}); err != nil {
		t.Fatal(err)
	}
	if f := figures(t, s); f.GetHits() != 3 || f.GetCoalesced() != 1 || f.GetMisses() != 2 {
		t.Errorf("got %v", f)
	}
}
