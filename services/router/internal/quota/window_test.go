package quota_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

// admission is one call that passed: between asking and knowing.
type admission struct{ asked, known time.Time }

// worst is how many admissions more than limit + limit*t there were in the worst window. Each happened at some time
// between asking and knowing: a window is as wide as it can have been.
func worst(all []admission, perMinute int64) float64 {
	slices.SortFunc(all, func(a, b admission) int { return a.known.Compare(b.known) })
	for i := len(all) - 2; i >= 0; i-- { // the first of a window may have been asked for last
		if all[i+1].asked.Before(all[i].asked) {
			all[i].asked = all[i+1].asked
		}
	}
	limit, most, begin := float64(perMinute), math.Inf(-1), math.Inf(-1)
	for j, a := range all {
		begin = max(begin, limit*a.asked.Sub(all[0].asked).Minutes()-float64(j))
		most = max(most, begin+float64(j+1)-limit*a.known.Sub(all[0].asked).Minutes()-limit)
	}
	return most
}

// hold runs a keeper for the length of a test.
func hold(tb testing.TB, client ratelimitv1.RateLimitServiceClient, o quota.Options) *quota.Keeper {
	tb.Helper()
	k := quota.New(client, o)
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return k
}

const (
	// load is how many ask at the same time.
	load = 8
	// warmUp is how many calls each makes before the saturation.
	warmUp = 200
)

// warmPause is between them.
func warmPause(perMinute int64) time.Duration {
	return 2 * load * time.Minute / time.Duration(perMinute)
}

// saturate has keepers admit as much as they can until they refuse and for a while longer. It returns what was admitted,
// how much of it before the
// saturation, and how long that took.
func saturate(t *testing.T, keepers []*quota.Keeper, perMinute int64, d time.Duration) (all []admission, warm int, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	account := quota.Account{Tenant: "acme", TenantLimits: &ratelimitv1.Limits{RequestsPerMinute: perMinute}}
	var mu sync.Mutex
	var once sync.Once
	var wg sync.WaitGroup
	began := time.Now()
	for i := range load {
		k := keepers[i%len(keepers)]
		wg.Go(func() {
			own := ask(ctx, k, account, strconv.Itoa(i), func() { once.Do(func() { time.AfterFunc(d, cancel) }) })
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	wg.Wait()
	return all, load * warmUp, time.Since(began) - warmUp*warmPause(perMinute)
}

func ask(ctx context.Context, k *quota.Keeper, a quota.Account, id string, refused func()) (all []admission) {
	for range warmUp { // half of what refills: stocks are held when the saturation begins
		began := time.Now()
		if r, err := k.Reserve(ctx, a, id, quota.Amount{}); err == nil {
			all = append(all, admission{asked: began, known: time.Now()})
			r.Settle(quota.Amount{}, false)
		}
		time.Sleep(warmPause(a.TenantLimits.GetRequestsPerMinute()))
	}
	for ctx.Err() == nil {
		began := time.Now()
		r, err := k.Reserve(ctx, a, id, quota.Amount{})
		if err == nil {
			all = append(all, admission{asked: began, known: time.Now()})
			r.Settle(quota.Amount{}, false)
			continue
		}
		refused()
		t := time.NewTimer(time.Duration(rand.IntN(1000)+500) * time.Microsecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
	return all
}

// skews are what the clocks of routers are off by.
var skews = []time.Duration{500 * time.Millisecond, -500 * time.Millisecond, time.Hour, -time.Hour}

func skewed(tb testing.TB, client ratelimitv1.RateLimitServiceClient, timeout time.Duration) []*quota.Keeper {
	tb.Helper()
	var all []*quota.Keeper
	for i, skew := range skews {
		all = append(all, hold(tb, client, quota.Options{
			Holder: "r" + strconv.Itoa(i), Clock: func() time.Time { return time.Now().Add(skew) }, Timeout: timeout,
		}))
	}
	return all
}

// checkWindow holds admissions against the promise: never more, and at saturation at most 1 % less.
func checkWindow(t *testing.T, all []admission, warm int, perMinute int64, d time.Duration) {
	t.Helper()
	could := float64(perMinute) * (1 + d.Minutes())
	over, n := worst(all, perMinute), len(all)-warm
	t.Logf("%d per minute: %d admitted of %.1f (%.2f %%); worst window %+.2f", perMinute, n, could, 100*float64(n)/could, over)
	if over > 1e-3 {
		t.Errorf("a window admitted %.2f too many", over)
	}
	if float64(n) < 0.99*could-1 {
		t.Errorf("%d admitted, less than 99 %% of %.1f", n, could)
	}
}

// L1 with a service that is exact: whatever the keepers hold, no window admits more than the limit.
func TestWindow(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int64{600, 6000, 60_000} {
		t.Run(strconv.FormatInt(perMinute/60, 10)+" per second", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				keepers := skewed(t, newFake(time.Now), time.Second)
				all, warm, took := saturate(t, keepers, perMinute, 5*time.Second)
				checkWindow(t, all, warm, perMinute, took)
			})
		})
	}
}
