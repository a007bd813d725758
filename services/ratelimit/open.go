package ratelimit

import (
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/redis"
)

// open returns the shared store of a configuration, nil where it has none, and what closes it.
func open(cfg Config) (store.Store, func() error, error) {
	if cfg.Backend != "redis" {
		return nil, func() error { return nil }, nil
	}
	s, err := redis.Open(redis.Options{
		URL: cfg.RedisURL.Reveal(), Cluster: cfg.RedisCluster, Prefix: cfg.KeyPrefix, PoolSize: cfg.PoolSize,
	})
	if err != nil {
		return nil, nil, err
	}
	return s, s.Close, nil
}
