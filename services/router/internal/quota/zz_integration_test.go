package quota_test

import (
	"sync"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/ratelimit"
)

func real(tb testing.TB) ratelimitv1.RateLimitServiceClient {
	tb.Helper()
	s, err := ratelimit.New(ratelimit.Config{}, ratelimit.Deps{Logger: slog.Default()})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	tb.Cleanup(func() { cancel(); <-done })
	secret := auth.Secret("0123456789abcdef0123456789abcdef")
	server := rpc.NewServer(rpc.Options{Name: "ratelimit", Peers: auth.NewPeerVerifier(secret)})
	s.Register(server)
	return ratelimitv1.NewRateLimitServiceClient(peer.InProcess(server.InProcess(), peer.Options{Credentials: auth.PeerCredentials("router", secret)}))
}

func TestRealWindow(t *testing.T) {
	for _, perMinute := range []int64{600, 6000, 60_000} {
		t.Run(strconv.FormatInt(perMinute/60, 10)+" per second", func(t *testing.T) {
			t.Parallel()
			keepers := skewed(t, real(t), time.Second)
			all, took := saturate(t, keepers, perMinute, 2*time.Second, 32)
			checkWindow(t, all, perMinute, took)
		})
	}
}

func TestRealRedis(t *testing.T) {
	s, err := ratelimit.New(ratelimit.Config{Backend: "redis", RedisURL: "redis://127.0.0.1:16997", Timeout: time.Second}, ratelimit.Deps{Logger: slog.Default()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	secret := auth.Secret("0123456789abcdef0123456789abcdef")
	server := rpc.NewServer(rpc.Options{Name: "ratelimit", Peers: auth.NewPeerVerifier(secret)})
	s.Register(server)
	client := ratelimitv1.NewRateLimitServiceClient(peer.InProcess(server.InProcess(), peer.Options{Credentials: auth.PeerCredentials("router", secret)}))
	for _, perMinute := range []int64{600, 6000, 60_000} {
		t.Run(strconv.FormatInt(perMinute/60, 10)+" per second", func(t *testing.T) {
			keepers := skewed(t, client, time.Second)
			if perMinute > 600 {
			  // another account
			}
			all, took := saturateAs(t, keepers, "t"+strconv.FormatInt(perMinute, 10), perMinute, 2*time.Second, 32)
			checkWindow(t, all, perMinute, took)
		})
	}
}
// saturate has keepers admit as much as they can until they refuse and for a while longer. It returns what was admitted,
// and how long it took.
func saturateAs(t *testing.T, keepers []*quota.Keeper, tenant string, perMinute int64, d time.Duration, load int) ([]admission, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	account := quota.Account{Tenant: tenant, TenantLimits: &ratelimitv1.Limits{RequestsPerMinute: perMinute}}
	var mu sync.Mutex
	var all []admission
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
	return all, time.Since(began)
}

