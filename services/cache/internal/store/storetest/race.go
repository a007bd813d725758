package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// purges is how many the race has (promise C3); a tenth in short tests.
const purges = 10_000

// origin is where answers come from: its version goes up, and then what was made of the older one is withdrawn.
type origin struct {
	// version is what an answer is made of now; floor is the oldest that may still be found.
	version, floor atomic.Uint64
}

// purgesRacingFills: after a withdrawal has returned, no answer is found that was made before it.
func purgesRacingFills(t *testing.T, b Backend) {
	const tenants = 2
	instances := []store.Store{b.Open(), b.Open()}
	origins := make([]origin, tenants)
	ctx, stop := context.WithCancel(t.Context())
	var looks, fills, hits, wrong atomic.Int64
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s := instances[i%2]
			for n := 0; ctx.Err() == nil; n++ {
				o, k := &origins[n%tenants], key(fmt.Sprint("tenant ", n%tenants), "m", byte(n/tenants%4))
				floor := o.floor.Load()
				r, err := s.Get(ctx, k)
				looks.Add(1)
				if err != nil {
					continue
				}
				if r.Found {
					hits.Add(1)
					if binary.BigEndian.Uint64(r.Entry.Value) < floor {
						wrong.Add(1)
					}
				}
				value := binary.BigEndian.AppendUint64(nil, o.version.Load())
				if s.Put(ctx, store.Entry{Key: k, Value: value}, time.Minute, r.Generation) == nil {
					fills.Add(1)
				}
				runtime.Gosched() // one processor is enough for a race
			}
		})
	}
	rounds := purges
	if testing.Short() {
		rounds /= 10
	}
	for n := range rounds {
		i := n % tenants
		v := origins[i].version.Add(1)
		scope := []store.Scope{{Tenant: fmt.Sprint("tenant ", i), Model: "m"}, {Tenant: fmt.Sprint("tenant ", i)}, {Model: "m"}, {}}[n/tenants%4]
		if err := instances[n%2].Withdraw(t.Context(), scope); err != nil {
			t.Errorf("withdraw: %v", err)
			break
		}
		origins[i].floor.Store(v)
		for seen := looks.Load(); looks.Load() == seen; { // else the purges are over before the fills begin
			runtime.Gosched()
		}
	}
	stop()
	wg.Wait()
	t.Logf("%d purges, %d fills, %d hits, %d of them withdrawn", rounds, fills.Load(), hits.Load(), wrong.Load())
	if wrong.Load() > 0 || hits.Load() == 0 || fills.Load() == 0 {
		t.Errorf("%d withdrawn answers were found, of %d", wrong.Load(), hits.Load())
	}
}

// crossings is how many reads each reader of dontCross makes.
const crossings = 2000

// dontCross: with calls that are cancelled midway, every value found is the one that was put under its key.
func dontCross(t *testing.T, b Backend) {
	instances := []store.Store{b.Open(), b.Open()}
	var wg sync.WaitGroup
	var hits atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i))) //nolint:gosec // a test's dice
			for range crossings {
				k := key(fmt.Sprint("tenant ", random.IntN(20)), "m", byte(random.IntN(4)))
				n, err := cross(t.Context(), instances[random.IntN(2)], k, random)
				if err != nil {
					t.Error(err)
					return
				}
				hits.Add(n)
			}
		})
	}
	wg.Wait()
	t.Logf("%d reads, %d hits", 8*crossings, hits.Load())
	if hits.Load() == 0 {
		t.Error("nothing was found at all")
	}
}

// cross reads once, three times in ten with a caller that leaves.
func cross(ctx context.Context, s store.Store, k store.Key, random *rand.Rand) (hits int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if random.IntN(10) < 3 {
		leave := time.AfterFunc(time.Duration(random.IntN(300))*time.Microsecond, cancel)
		defer leave.Stop()
	}
	r, err := s.Get(ctx, k)
	switch {
	case err != nil:
		return 0, nil
	case r.Found && (r.Entry.Key != k || !bytes.Equal(r.Entry.Value, canary(k))):
		return 0, errors.New("an answer crossed")
	case r.Found:
		return 1, nil
	}
	_ = s.Put(ctx, store.Entry{Key: k, Value: canary(k)}, time.Minute, r.Generation)
	return 0, nil
}
