package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

func holder(n byte) store.Holder { return store.Holder{n, 1} }

func acquire(t *testing.T, s store.Store, k store.Key, h store.Holder, want store.Lease) store.Result {
	t.Helper()
	r, got, err := s.Acquire(t.Context(), k, h)
	if err != nil || got != want || r.Generation == (store.Generation{}) || r.Damaged {
		t.Fatalf("acquire for %x: %v, %v, want %v; %+v", h[0], got, err, want, r)
	}
	return r
}

func release(t *testing.T, s store.Store, k store.Key, h store.Holder, declined bool) {
	t.Helper()
	if err := s.Release(t.Context(), k, h, declined); err != nil {
		t.Fatalf("release: %v", err)
	}
}

func wantLease(t *testing.T, s store.Store, k store.Key, want store.Lease) {
	t.Helper()
	if got, err := s.Lease(t.Context(), k); err != nil || got != want {
		t.Fatalf("the lease of %s/%s is %v, %v, want %v", k.Tenant, k.Model, got, err, want)
	}
}

func leasesAreOfOne(t *testing.T, b Backend) {
	one, two := b.Open(), b.Open()
	k := key("t", "m", 0)
	wantLease(t, one, k, store.Free)
	acquire(t, one, k, holder(1), store.Granted)
	acquire(t, two, k, holder(2), store.Filling)
	acquire(t, two, k, holder(1), store.Granted)
	wantLease(t, two, k, store.Filling)
	release(t, two, k, holder(2), false)
	release(t, two, k, holder(2), true)
	acquire(t, one, k, holder(2), store.Filling)
	for _, other := range []store.Key{key("u", "m", 0), key("t", "n", 0), key("t", "m", 1)} {
		wantLease(t, one, other, store.Free)
		acquire(t, one, other, holder(3), store.Granted)
	}
	release(t, two, k, holder(1), false)
	wantLease(t, one, k, store.Free)
	wantMissing(t, one, k)
	acquire(t, one, k, holder(2), store.Granted)
	release(t, one, k, holder(1), false)
	acquire(t, two, k, holder(1), store.Filling)
}

// leasesLapse: a holder that died keeps the others for LeaseTTL, one that goes on holding as long as it does.
func leasesLapse(t *testing.T, b Backend) {
	s := b.Open()
	k := key("t", "m", 0)
	acquire(t, s, k, holder(1), store.Granted)
	const most = store.LeaseTTL * 3 / 4
	for range 4 {
		b.Pass(most)
		acquire(t, s, k, holder(2), store.Filling) // asking in vain prolongs nothing
		acquire(t, s, k, holder(1), store.Granted)
	}
	b.Pass(most)
	acquire(t, s, k, holder(2), store.Filling)
	b.Pass(most)
	wantLease(t, s, k, store.Free)
	acquire(t, s, k, holder(2), store.Granted)
	release(t, s, k, holder(1), false)
	acquire(t, s, k, holder(1), store.Filling)
}

func leasesAreDeclined(t *testing.T, b Backend) {
	s := b.Open()
	k := key("t", "m", 0)
	acquire(t, s, k, holder(1), store.Granted)
	release(t, s, k, holder(1), true)
	wantLease(t, b.Open(), k, store.Declined)
	for n := range byte(3) {
		acquire(t, s, k, holder(n+1), store.Declined)
		release(t, s, k, holder(n+1), false)
	}
	put(t, s, k, "kept all the same")
	if r := acquire(t, s, k, holder(2), store.Free); !r.Found {
		t.Error("what was kept isn't found")
	}
	b.Pass(store.DeclinedTTL)
	other := key("t", "m", 1)
	acquire(t, s, other, holder(1), store.Granted)
	release(t, s, other, holder(1), true)
	b.Pass(store.DeclinedTTL + time.Second)
	acquire(t, s, other, holder(1), store.Granted)
}

// leasesEndWithAnEntry: who finds an entry holds nothing, whether or not it did before; a withdrawn one isn't found.
func leasesEndWithAnEntry(t *testing.T, b Backend) {
	s := b.Open()
	k := key("t", "m", 0)
	g := acquire(t, s, k, holder(1), store.Granted).Generation
	if err := s.Put(t.Context(), store.Entry{Key: k, Value: []byte("x")}, time.Minute, g); err != nil {
		t.Fatal(err)
	}
	if r := acquire(t, s, k, holder(2), store.Free); !r.Found || string(r.Entry.Value) != "x" || r.Entry.Key != k {
		t.Errorf("got %+v", r)
	}
	acquire(t, s, k, holder(1), store.Free)
	wantLease(t, s, k, store.Free)
	if err := s.Withdraw(t.Context(), store.Scope{Tenant: "t"}); err != nil {
		t.Fatal(err)
	}
	if r := acquire(t, s, k, holder(2), store.Granted); r.Found {
		t.Error("a withdrawn entry is found")
	}
	release(t, s, k, holder(2), false)
}

func leasesOfNames(t *testing.T, b Backend) {
	s := b.Open()
	for i, tenant := range names() {
		for j, model := range names() {
			k := key(tenant, model, byte(j))
			acquire(t, s, k, holder(byte(i)), store.Granted)
			put(t, s, k, fmt.Sprintf("%d/%d", i, j))
			wantLease(t, s, k, store.Filling)
			wantFound(t, s, k, fmt.Sprintf("%d/%d", i, j))
			release(t, s, k, holder(byte(i)), false)
		}
	}
}

// questions is how many are answered in oneFill; a tenth in short tests.
const questions = 300

// oneFill: however many ask the same at once, at whatever instance, one of them fills and the others find it (promise C4).
func oneFill(t *testing.T, b Backend) {
	instances := []store.Store{b.Open(), b.Open()}
	rounds := questions
	if testing.Short() {
		rounds /= 10
	}
	for n := range rounds {
		k := key(fmt.Sprint("tenant ", n), "m", byte(n))
		var fills atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if err := fillOrFind(t.Context(), instances[i%2], k, holder(byte(i)), &fills); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if fills.Load() != 1 {
			t.Fatalf("question %d was answered %d times", n, fills.Load())
		}
	}
}

// fillOrFind asks until there is an answer, and gives it where that is up to this holder.
func fillOrFind(ctx context.Context, s store.Store, k store.Key, h store.Holder, fills *atomic.Int64) error {
	for ctx.Err() == nil {
		r, l, err := s.Acquire(ctx, k, h)
		switch {
		case err != nil:
			return err
		case r.Found:
			return nil
		case l == store.Granted:
			fills.Add(1)
			if err := s.Put(ctx, store.Entry{Key: k, Value: []byte("x")}, time.Minute, r.Generation); err != nil {
				return err
			}
			return s.Release(ctx, k, h, false)
		case l != store.Filling:
			return errors.New("neither found nor granted, and nobody fills")
		}
		runtime.Gosched()
	}
	return ctx.Err()
}
