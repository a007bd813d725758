package ratelimit_test

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/ratelimit"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/redisserver"
)

// BenchmarkReserve is one call reserved and settled through the service in this process, with and without a budget.
func BenchmarkReserve(b *testing.B) {
	per := &ratelimitv1.Limits{RequestsPerMinute: 5_000_000_000, TokensPerMinute: 10_000_000_000}
	both := &ratelimitv1.Limits{RequestsPerMinute: per.RequestsPerMinute, TokensPerMinute: per.TokensPerMinute, BudgetUsd: 9_000_000}
	for _, backend := range []string{"memory", "redis"} {
		for _, c := range []struct {
			name   string
			limits *ratelimitv1.Limits
		}{{"requests and tokens", per}, {"and a budget", both}, {"a budget", &ratelimitv1.Limits{BudgetUsd: 9_000_000}}} {
			b.Run(backend+"/"+c.name, func(b *testing.B) {
				cfg := ratelimit.Config{Backend: backend, Timeout: 250 * time.Millisecond}
				if backend == "redis" {
					cfg.RedisURL = conf.Secret(redisserver.New(b).URL())
				}
				reserveAndSettle(b, cfg, c.limits)
			})
		}
	}
}

func reserveAndSettle(b *testing.B, cfg ratelimit.Config, limits *ratelimitv1.Limits) {
	b.Helper()
	client, _ := startWith(b, cfg, ratelimit.Deps{Logger: slog.New(slog.DiscardHandler)})
	n := 0
	for b.Loop() {
		n++
		r := costing(strconv.Itoa(n), 0, limits)
		r.Tokens, r.CostPicoUsd = 1000, 5_000_000_000
		a, err := client.Reserve(b.Context(), r)
		if err != nil || a.GetRefusal() != nil {
			b.Fatal(a, err)
		}
		_, err = client.Settle(b.Context(), &ratelimitv1.SettleRequest{
			ReservationId: r.GetReservationId(), Holder: "r", Tenant: "acme", Scopes: r.GetScopes(), Tokens: 900, CostPicoUsd: 4_000_000_000,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
