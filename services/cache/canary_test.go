package cache_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/cache"
	"github.com/headgate-mesh/headgate/services/cache/internal/redistest"
)

// tenants ask the same questions: nothing but the tenant tells them apart.
const tenants = 20

// ring knows a key for every tenant.
type ring struct{}

// Verify implements auth.Verifier.
func (ring) Verify(_ context.Context, key string) (auth.Principal, error) {
	return auth.Principal{Tenant: key, Role: accessv1.Role_ROLE_ADMIN, KeyID: key}, nil
}

// start serves a cache in process, as the mesh does, and returns what the router holds of it.
func start(t *testing.T, cfg cache.Config) cachev1.CacheServiceClient {
	t.Helper()
	s, err := cache.New(cfg, cache.Deps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	secret := auth.Secret("a secret for this test")
	server := rpc.NewServer(rpc.Options{
		Name: "cache", Verifier: ring{}, Peers: auth.NewPeerVerifier(secret),
		Validate: func(_ string, m proto.Message) error { return s.Validate(m) },
	})
	s.Register(server)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
	return client(server.InProcess(), secret)
}

func client(c grpc.ClientConnInterface, secret auth.Secret) cachev1.CacheServiceClient {
	return cachev1.NewCacheServiceClient(peer.InProcess(c, peer.Options{Credentials: auth.PeerCredentials("router", secret)}))
}

// reads is how many the test makes: HEADGATE_CACHE_READS, else enough to find what is wrong in seconds.
func reads() int {
	if n, err := strconv.Atoi(os.Getenv("HEADGATE_CACHE_READS")); err == nil {
		return n
	}
	if testing.Short() {
		return 5_000
	}
	return 40_000
}

// TestCanariesDontCross: three calls in ten are cancelled midway, the Redis is slow, cut off and corrupted, answers are
// withdrawn all the time; and no tenant ever reads another's (promise C1).
func TestCanariesDontCross(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		canaries(t, []cachev1.CacheServiceClient{start(t, cache.Config{MaxBytes: 256 << 10, MaxEntry: 4 << 10})})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		proxy := redistest.NewProxy(t, redistest.Start(t))
		// Patient, so that most reads get somewhere.
		cfg := cache.Config{RedisURL: conf.Secret(proxy.URL()), LookupTimeout: time.Second, RedisTimeout: time.Second}
		instances := []cachev1.CacheServiceClient{start(t, cfg), start(t, cfg)}
		for _, c := range instances {
			warm(t, c)
		}
		proxy.Harm.Store(2)
		canaries(t, instances)
		if proxy.Harmed.Load() == 0 {
			t.Error("no harm was done")
		}
	})
}

// warm waits until a lookup reaches the Redis: a busy machine takes its time.
func warm(t *testing.T, c cachev1.CacheServiceClient) {
	t.Helper()
	digest := sha256.Sum256(nil)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		r, err := c.Lookup(t.Context(), &cachev1.LookupRequest{Digest: digest[:], Tenant: "t", Model: "m"})
		if err == nil && len(r.GetGeneration()) > 0 {
			return
		}
	}
	t.Fatal("the Redis can't be reached")
}

// tally is what the readers of a test came to.
type tally struct{ reads, hits, stored, foreign, failed atomic.Int64 }

func canaries(t *testing.T, instances []cachev1.CacheServiceClient) {
	t.Helper()
	const readers = 8
	var wg sync.WaitGroup
	var sum tally
	for i := range readers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(5, uint64(i)))
			for range reads() / readers {
				sum.once(t, instances[random.IntN(len(instances))], random)
			}
		})
	}
	wg.Wait()
	for _, c := range instances {
		s, err := c.GetStats(auth.WithKey(t.Context(), "t"), &cachev1.GetStatsRequest{})
		t.Logf("%v, %v", s, err)
	}
	t.Logf("%d reads, %d hits, %d stored, %d foreign, %d failed", sum.reads.Load(), sum.hits.Load(), sum.stored.Load(), sum.foreign.Load(), sum.failed.Load())
	if sum.foreign.Load() > 0 || sum.hits.Load() == 0 {
		t.Error("an answer crossed, or there was none at all")
	}
}

// once asks one of eight questions for one tenant, and keeps an answer where there is none.
func (s *tally) once(t *testing.T, c cachev1.CacheServiceClient, random *rand.Rand) {
	tenant := fmt.Sprint("tenant ", random.IntN(tenants))
	digest := sha256.Sum256([]byte{byte(random.IntN(8))}) // a digest without the tenant in it, which the router's has
	canary := bytes.Repeat([]byte(tenant+";"+string(digest[:])), 1+int(digest[0])/8)
	ctx, cancel := context.WithCancel(auth.WithKey(t.Context(), tenant))
	defer cancel()
	if random.IntN(10) < 3 {
		leave := time.AfterFunc(time.Duration(random.IntN(500))*time.Microsecond, cancel)
		defer leave.Stop()
	}
	s.reads.Add(1)
	holder := binary.BigEndian.AppendUint64(make([]byte, 8), random.Uint64())
	r, err := c.Lookup(ctx, &cachev1.LookupRequest{Digest: digest[:], Tenant: tenant, Model: "m", Holder: holder})
	switch {
	case err != nil:
		if ctx.Err() == nil {
			s.failed.Add(1)
			t.Errorf("a lookup failed: %v", err)
		}
		return
	case r.GetFound():
		s.hits.Add(1)
		if !bytes.Equal(r.GetValue(), canary) {
			s.foreign.Add(1)
		}
	case len(r.GetGeneration()) > 0:
		if kept, _ := c.Store(ctx, &cachev1.StoreRequest{
			Digest: digest[:], Tenant: tenant, Model: "m", Value: canary, Generation: r.GetGeneration(), Holder: holder,
		}); kept.GetStored() {
			s.stored.Add(1)
		}
	}
	switch random.IntN(50) {
	case 0:
		_, _ = c.Hold(ctx, &cachev1.HoldRequest{Digest: digest[:], Tenant: tenant, Model: "m", Holder: holder, Wait: durationpb.New(10 * time.Millisecond)})
	case 1:
		_, _ = c.Release(ctx, &cachev1.ReleaseRequest{Digest: digest[:], Tenant: tenant, Model: "m", Holder: holder})
	}
	if random.IntN(500) == 0 {
		_, _ = c.Invalidate(ctx, &cachev1.InvalidateRequest{All: true})
	}
}

// TestRedisDown: lookups are misses at once, nothing fails but what has to be told.
func TestRedisDown(t *testing.T) {
	t.Parallel()
	c := start(t, cache.Config{RedisURL: conf.Secret("redis://127.0.0.1:" + redistest.FreePort(t))})
	ctx := auth.WithKey(t.Context(), "t")
	digest := sha256.Sum256(nil)
	for range 20 {
		began := time.Now()
		r, err := c.Lookup(ctx, &cachev1.LookupRequest{Digest: digest[:], Tenant: "t", Model: "m"})
		if err != nil || r.GetFound() || len(r.GetGeneration()) > 0 || time.Since(began) > 200*time.Millisecond {
			t.Errorf("%v, %v after %v", r, err, time.Since(began))
		}
	}
	if _, err := c.Invalidate(ctx, &cachev1.InvalidateRequest{All: true}); err == nil {
		t.Error("an invalidation that can't be done succeeds")
	}
	s, err := c.GetStats(ctx, &cachev1.GetStatsRequest{})
	if err != nil || s.GetErrors() != 21 || s.GetMisses() != 20 || s.GetBackend() != "redis" {
		t.Errorf("%v, %v", s, err)
	}
}
