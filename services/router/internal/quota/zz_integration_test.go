package quota_test

import (
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
