package redis_test

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/redisserver"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/redis"
)

var usec = regexp.MustCompile(`cmdstat_evalsha:calls=\d+,usec=\d+,usec_per_call=([\d.]+)`)

// BenchmarkScripts is one call reserved and settled; server-us is what a script takes in Redis itself, which does one after
// the other.
func BenchmarkScripts(b *testing.B) {
	per := store.Limits{Requests: 5_000_000_000, Tokens: 10_000_000_000}
	both := per
	both.Budget, both.Period = store.MaxMoney, store.Month
	for _, c := range []struct {
		name   string
		limits store.Limits
	}{{"requests and tokens", per}, {"and a budget", both}, {"a budget", store.Limits{Budget: store.MaxMoney, Period: store.Month}}} {
		b.Run(c.name, func(b *testing.B) {
			s := redisserver.New(b)
			st, err := redis.Open(redis.Options{URL: s.URL(), Prefix: "b", PoolSize: 4, Network: time.Second})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = st.Close() }()
			scopes := []store.Scope{
				{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ID: "k", Limits: c.limits},
				{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_TENANT, ID: "acme", Limits: c.limits},
			}
			exchange(b, st, scopes)
			info, err := st.Client().Info(b.Context(), "commandstats").Result()
			if found := usec.FindStringSubmatch(info); err == nil && found != nil {
				perCall, _ := strconv.ParseFloat(found[1], 64)
				b.ReportMetric(perCall, "server-us")
			}
		})
	}
}

func exchange(b *testing.B, st store.Store, scopes []store.Scope) {
	b.Helper()
	for _, s := range store.Money(scopes) {
		if err := st.Seed(b.Context(), store.Seed{Tenant: "acme", Scope: s, From: store.Began(store.Month, time.Now()), Final: true}); err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	for b.Loop() {
		n++
		id := strconv.Itoa(n)
		a, err := st.Reserve(b.Context(), store.Call{
			ID: id, Holder: "h", Tenant: "acme", Scopes: scopes, Tokens: 1000, Cost: 5_000_000_000, Hold: time.Minute,
		})
		if err != nil || a.Refusal != nil {
			b.Fatal(a, err)
		}
		err = st.Settle(b.Context(), store.Settlement{ID: id, Holder: "h", Tenant: "acme", Scopes: scopes, Tokens: 900, Cost: 4_000_000_000})
		if err != nil {
			b.Fatal(err)
		}
	}
}
