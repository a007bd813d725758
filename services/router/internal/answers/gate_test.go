package answers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
)

// slowly is a service whose lookups take a while.
type slowly struct {
	*leasing

	takes time.Duration
}

func (s slowly) Lookup(ctx context.Context, r *cachev1.LookupRequest, o ...grpc.CallOption) (*cachev1.LookupResponse, error) {
	if !pause(ctx, s.takes) {
		return nil, ctx.Err()
	}
	return s.leasing.Lookup(ctx, r, o...)
}

// gated runs a test of a router over a service whose lookups take a while.
func gated(t *testing.T, takes time.Duration, test func(t *testing.T, l *leasing, a *Answers)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeasing()
		test(t, l, newAnswers(t, slowly{l, takes}, nil))
	})
}

// TestOneLookupForACrowd: where there is no answer yet, those that come at the same moment are one lookup, not a hundred
// at a service that may be late for that many.
func TestOneLookupForACrowd(t *testing.T) {
	gated(t, 10*time.Millisecond, func(t *testing.T, l *leasing, a *Answers) {
		c := newCrowd(t, slow(time.Second))
		c.come(t.Context(), 100, question(nil), a)
		time.Sleep(500 * time.Millisecond)
		l.set(func() {
			if l.lookups != 1 {
				t.Errorf("%d lookups", l.lookups)
			}
		})
		c.ends(l, a)
		c.want(1, map[string]int{"miss": 1, "coalesced": 99})
	})
}

// TestLookupsOfWhatIsThere aren't one behind another: each is as quick as if it were alone.
func TestLookupsOfWhatIsThere(t *testing.T) {
	gated(t, 10*time.Millisecond, func(t *testing.T, l *leasing, a *Answers) {
		fillIt(t, a, question(nil), answer(nil))
		if hit, _, _ := a.Lookup(t.Context(), question(nil)); hit == nil {
			t.Fatal("a miss")
		}
		c := newCrowd(t, nil)
		c.come(t.Context(), 100, question(nil), a)
		c.ends(l, a)
		c.want(0, map[string]int{"hit": 100})
		for _, d := range c.took {
			if d != 10*time.Millisecond {
				t.Fatalf("one took %v", d)
			}
		}
		l.set(func() { clear(l.values) }) // and when it isn't there any more they are joined again
		c = newCrowd(t, slow(time.Second))
		c.come(t.Context(), 100, question(nil), a)
		c.ends(l, a)
		c.want(1, map[string]int{"miss": 1, "coalesced": 99})
	})
}

// TestCrowdAtASlowService: nobody waits longer than for a lookup of one's own.
func TestCrowdAtASlowService(t *testing.T) {
	gated(t, time.Minute, func(t *testing.T, l *leasing, a *Answers) {
		c := newCrowd(t, slow(time.Second))
		c.come(t.Context(), 50, question(nil), a)
		time.Sleep(20 * time.Millisecond)
		c.come(t.Context(), 50, question(nil), a)
		c.ends(l, a)
		c.want(100, map[string]int{"off": 100})
		if c.asked[99] != 25*time.Millisecond || l.lookups > 0 {
			t.Errorf("the last one asks after %v", c.asked[99])
		}
	})
}

// TestFirstLookupIsLeft by its caller: another one looks up in its place.
func TestFirstLookupIsLeft(t *testing.T) {
	gated(t, 10*time.Millisecond, func(t *testing.T, l *leasing, a *Answers) {
		c := newCrowd(t, slow(time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		c.come(ctx, 1, question(nil), a)
		synctest.Wait()
		c.come(t.Context(), 50, question(nil), a)
		time.Sleep(5 * time.Millisecond)
		cancel()
		c.ends(l, a)
		c.want(1, map[string]int{"miss": 1, "coalesced": 49, "left": 1})
		if l.lookups > 60 {
			t.Errorf("%d lookups", l.lookups)
		}
	})
}

// TestLateServiceWhileTheyWait: followers whose lookup fails ask again for a while.
func TestLateServiceWhileTheyWait(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		c := newCrowd(t, slow(time.Second))
		c.come(t.Context(), 40, question(nil), routers...)
		time.Sleep(900 * time.Millisecond)
		l.set(func() { l.fail = errDown })
		time.Sleep(50 * time.Millisecond)
		l.set(func() { l.fail = nil })
		c.ends(l, routers...)
		c.want(1, map[string]int{"miss": 1, "coalesced": 39})
	})
}

// TestServiceGoesAtTheEnd: whoever comes to look his answer up when the service is gone goes on alone within about a second,
// however many there are.
func TestServiceGoesAtTheEnd(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		c := newCrowd(t, slow(time.Second))
		c.come(t.Context(), 200, question(nil), routers...)
		synctest.Wait()
		time.Sleep(900 * time.Millisecond)
		l.set(func() { l.fail = errDown }) // of lookups and stores
		digest, _ := routers[0].Key(question(nil))
		l.breaks(func() { delete(l.leases, string(digest[:])) })
		for _, a := range routers {
			a.flights.mu.Lock()
			a.flights.all[digest].finish(kept)
			a.flights.mu.Unlock()
		}
		c.wg.Wait()
		if n := len(c.asked); n != 200 || c.asked[199] > 2100*time.Millisecond {
			t.Errorf("%d asked, the last one after %v", n, c.asked[n-1])
		}
	})
}
