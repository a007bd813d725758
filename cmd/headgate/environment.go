package main

import (
	"github.com/headgate-mesh/headgate/kit/conf"
)

// override lets the environment win over the file; from hears which field each variable has filled, by its path.
func (c *Config) override(lookup func(string) (string, bool), from func(path, variable string)) {
	for _, v := range []struct {
		name, path string
		field      *string
	}{
		{"HEADGATE_HTTP_ADDR", "listen.http.addr", &c.Listen.HTTP.Addr},
		{"HEADGATE_GRPC_ADDR", "listen.grpc.addr", &c.Listen.GRPC.Addr},
		{"HEADGATE_OPS_ADDR", "listen.ops.addr", &c.Listen.Ops.Addr},
		{"HEADGATE_DATA_DIR", "data_dir", &c.DataDir},
		{"HEADGATE_ADMIN_KEY", "admin_key", (*string)(&c.AdminKey)},
		{"HEADGATE_SECRET", "secret", (*string)(&c.Secret)},
		{"HEADGATE_ROUTER_ADDR", "peers.router.address", &c.Peers.Router.Address},
		{"HEADGATE_KEYS_ADDR", "peers.keys.address", &c.Peers.Keys.Address},
		{"HEADGATE_RATELIMIT_ADDR", "peers.ratelimit.address", &c.Peers.RateLimit.Address},
		{"HEADGATE_CACHE_ADDR", "peers.cache.address", &c.Peers.Cache.Address},
		{"HEADGATE_USAGE_ADDR", "peers.usage.address", &c.Peers.Usage.Address},
		{"HEADGATE_BATCH_ADDR", "peers.batch.address", &c.Peers.Batch.Address},
	} {
		if value, ok := lookup(v.name); ok && value != "" {
			*v.field = value
			from(v.path, v.name)
		}
	}
	const redis = "HEADGATE_REDIS_URL"
	if url, ok := lookup(redis); ok && url != "" {
		c.RateLimit.Backend, c.RateLimit.RedisURL = "redis", conf.Secret(url)
		c.Cache.Backend, c.Cache.RedisURL = "redis", conf.Secret(url)
		for _, path := range []string{"ratelimit.backend", "ratelimit.redis_url", "cache.backend", "cache.redis_url"} {
			from(path, redis)
		}
	}
}
