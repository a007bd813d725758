package ratelimit_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/ratelimit"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/redisserver"
)

// skews are what the clocks of instances are off by.
var skews = []time.Duration{500 * time.Millisecond, -500 * time.Millisecond, time.Hour, -time.Hour}

// instances are services with skewed clocks on one Redis.
func instances(t *testing.T, s *redisserver.Server, n int, timeout time.Duration) (clients []ratelimitv1.RateLimitServiceClient, services []*ratelimit.Service) {
	t.Helper()
	for i := range n {
		client, service := start(t, ratelimit.Config{Backend: "redis", RedisURL: conf.Secret(s.URL()), Timeout: timeout},
			func() time.Time { return time.Now().Add(skews[i%len(skews)]) })
		clients, services = append(clients, client), append(services, service)
	}
	return clients, services
}

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

// caller reserves as fast as it can, and notes what passed.
type caller struct {
	client  ratelimitv1.RateLimitServiceClient
	tenant  string
	name    string
	limits  *ratelimitv1.Limits
	refused func()
}

func (c *caller) run(ctx context.Context, t *testing.T) (all []admission) {
	t.Helper()
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		a, err := c.client.Reserve(ctx, &ratelimitv1.ReserveRequest{
			ReservationId: c.name + "-" + strconv.Itoa(n), Holder: c.name, Tenant: c.tenant, Scopes: scope(c.limits), Tokens: 1,
		})
		switch {
		case err != nil:
			if ctx.Err() == nil {
				t.Error(err)
			}
			return all
		case a.GetDegraded():
			t.Error("degraded")
			return all
		case a.GetRefusal() == nil:
			all = append(all, admission{asked: began, known: time.Now()})
			continue
		}
		c.refused()
		pause(ctx, time.Duration(500+rand.IntN(1000))*time.Microsecond)
	}
	return all
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// L1: four instances on one Redis, clocks that are off, and no window with more than limit + limit*t.
func TestWindowOverInstances(t *testing.T) {
	s := redisserver.New(t)
	for _, perMinute := range []int64{600, 6000, 60_000} {
		t.Run(strconv.FormatInt(perMinute/60, 10)+" per second", func(t *testing.T) {
			window(t, s, perMinute)
		})
	}
}

func window(t *testing.T, s *redisserver.Server, perMinute int64) {
	t.Helper()
	clients, _ := instances(t, s, 4, 250*time.Millisecond) // it is about numbers, not about time
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	var mu sync.Mutex
	var all []admission
	var wg sync.WaitGroup
	began := time.Now()
	all = slices.Repeat([]admission{drain(t, clients[0], perMinute, perMinute*99/100)}, int(perMinute*99/100))
	for i := range 16 {
		c := &caller{
			client: clients[i%len(clients)], tenant: "of " + strconv.FormatInt(perMinute, 10), name: strconv.Itoa(i),
			limits:  &ratelimitv1.Limits{TokensPerMinute: perMinute},
			refused: func() { once.Do(func() { time.AfterFunc(2*time.Second, cancel) }) },
		}
		wg.Go(func() {
			own := c.run(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	wg.Wait()
	took := time.Since(began)
	could := float64(perMinute) * (1 + took.Minutes())
	over := worst(all, perMinute)
	t.Logf("%d admitted of %.1f in %v; worst window %+.3f", len(all), could, took, over)
	if over > 1e-3 {
		t.Errorf("a window admitted %.3f too many", over)
	}
	if float64(len(all)) < 0.99*could-1 {
		t.Errorf("%d admitted, less than 99 %% of %.1f", len(all), could)
	}
}

// drain takes most of the burst at once, so that what follows is about the rate.
func drain(t *testing.T, client ratelimitv1.RateLimitServiceClient, perMinute, n int64) admission {
	t.Helper()
	began := time.Now()
	a, err := client.Reserve(t.Context(), &ratelimitv1.ReserveRequest{
		ReservationId: "drain", Holder: "d", Tenant: "of " + strconv.FormatInt(perMinute, 10), Tokens: n,
		Scopes: scope(&ratelimitv1.Limits{TokensPerMinute: perMinute}),
	})
	if err != nil || a.GetRefusal() != nil || a.GetDegraded() {
		t.Fatalf("%v %v", a, err)
	}
	return admission{asked: began, known: time.Now()}
}

// L3: Redis stalls, and dies: a decision in time, bounded, marked; and back to exact by itself.
func TestOutage(t *testing.T) {
	for _, c := range []struct {
		name       string
		begin, end func(s *redisserver.Server)
	}{
		{"stalled", (*redisserver.Server).Stall, (*redisserver.Server).Resume},
		{"killed", (*redisserver.Server).Kill, (*redisserver.Server).Start},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := redisserver.New(t)
			clients, services := instances(t, s, 2, 0)
			counted(t, clients)
			c.begin(s)
			admitted, took, late := hammer(t, clients[0])
			t.Logf("%d decisions: p50 %v, p99 %v, longest %v; timers late by %v; %d admitted",
				len(took), at(took, 50), at(took, 99), at(took, 100), at(late, 99), admitted)
			if p99 := at(took, 99) - at(late, 99); p99 > 25*time.Millisecond {
				t.Errorf("p99 %v", p99)
			}
			if admitted < 30 || admitted > 31 {
				t.Errorf("%d admitted, want half of the limit of 60", admitted)
			}
			c.end(s)
			n := 0
			redisserver.Eventually(t, 10*time.Second, func() bool {
				n++
				a, err := reserve(t, clients[0], "back"+strconv.Itoa(n))
				return err == nil && !a.GetDegraded() && !services[0].Degraded()
			})
		})
	}
}

// counted waits until instances know of each other.
func counted(t *testing.T, clients []ratelimitv1.RateLimitServiceClient) {
	t.Helper()
	for i, c := range clients {
		if _, err := reserve(t, c, "warm"+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	pause(t.Context(), 2500*time.Millisecond)
}

func reserve(t *testing.T, c ratelimitv1.RateLimitServiceClient, id string) (*ratelimitv1.ReserveResponse, error) {
	t.Helper()
	return c.Reserve(t.Context(), &ratelimitv1.ReserveRequest{
		ReservationId: id, Holder: "r", Tenant: "acme", Scopes: scope(&ratelimitv1.Limits{RequestsPerMinute: 60}),
	})
}

// hammer asks for 3200 decisions, 16 at a time, and reports how many were yes and how long each took; and how late plain
// timers were meanwhile, which is the machine's own.
func hammer(t *testing.T, c ratelimitv1.RateLimitServiceClient) (admitted int, took, late []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 200 {
				began := time.Now()
				a, err := reserve(t, c, strconv.Itoa(i)+"-"+strconv.Itoa(n))
				answered := time.Now()
				pause(t.Context(), time.Millisecond)
				mu.Lock()
				took, late = append(took, answered.Sub(began)), append(late, time.Since(answered)-time.Millisecond)
				if err != nil || !a.GetDegraded() {
					t.Errorf("%v %v", a, err)
				} else if a.GetRefusal() == nil {
					admitted++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	slices.Sort(late)
	return admitted, took, late
}

// at is a percentile of what is sorted.
func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}
