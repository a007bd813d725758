package cache_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/cache"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(&logging.VoidLogger{})
	goleak.VerifyTestMain(m)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		file, wrong string
	}{
		"empty":           {"{}", ""},
		"all of it":       {"{backend: redis, redis_url: 'redis://:pw@localhost:6379/1', redis_pool: 8, max_bytes: 1MiB, max_entry: 64KiB, ttl: 1m, max_ttl: 1h, lookup_timeout: 10ms, redis_timeout: 20ms}", ""},
		"a cluster":       {"{redis_cluster: true, redis_url: 'redis://a:1?addr=b:2'}", ""},
		"unknown backend": {"{backend: disk}", "backend"},
		"no address":      {"{backend: redis}", "redis_url"},
		"no such address": {"{redis_url: 'http://canary'}", "redis_url"},
		"no such port":    {"{redis_url: 'redis://u:canary@h:70000'}", "redis_url"},
		"both":            {"{backend: memory, redis_url: 'redis://u:canary@h'}", "backend"},
		"pool":            {"{redis_url: 'redis://h', redis_pool: 20000}", "redis_pool"},
		"tiny entries":    {"{max_entry: 10B}", "max_entry"},
		"no room":         {"{max_bytes: 1MiB}", "max_bytes"},
		"short":           {"{ttl: 1ms}", "ttl"},
		"long":            {"{max_ttl: 25h}", "max_ttl"},
		"crossed":         {"{ttl: 2h, max_ttl: 1h}", "max_ttl"},
		"patient":         {"{lookup_timeout: 2s}", "lookup_timeout"},
		"very patient":    {"{redis_timeout: 1m}", "redis_timeout"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cfg cache.Config
			err := conf.Parse("headgate.yaml", []byte(c.file), &cfg, nil)
			switch {
			case c.wrong == "" && err != nil:
				t.Error(err)
			case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong+":")):
				t.Errorf("got %v", err)
			case err != nil && strings.Contains(err.Error(), "canary"):
				t.Errorf("it quotes the value: %v", err)
			}
		})
	}
}

// TestRun: the service runs until it is told to end, whether or not its Redis is there.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, cfg := range []cache.Config{{}, {RedisURL: "redis://127.0.0.1:1"}} {
		synctest.Test(t, func(t *testing.T) {
			s, err := cache.New(cfg, cache.Deps{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}
