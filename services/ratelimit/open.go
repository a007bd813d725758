package ratelimit

import (
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/redis"
)

// network bounds dialling, reading and writing, where no decision waits.
const network = 50 * time.Millisecond

// open returns the shared store of a configuration, nil where it has none, and what closes it.
func open(cfg Config) (store.Store, func() error, error) {
	if cfg.Backend != "redis" {
		return nil, func() error { return nil }, nil
	}
	s, err := redis.Open(redis.Options{
		URL: cfg.RedisURL.Reveal(), Cluster: cfg.RedisCluster, Prefix: cfg.KeyPrefix, PoolSize: cfg.PoolSize,
		Network: max(network, cfg.Timeout),
	})
	if err != nil {
		return nil, nil, err
	}
	return s, s.Close, nil
}
