package cache

import (
	"cmp"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/cache/internal/redis"
)

// Config says where answers are kept, how many and how long.
type Config struct {
	// Backend is memory (the default: of this process alone) or redis (shared by all instances; the default where
	// redis_url is set).
	Backend string `yaml:"backend"`
	// RedisURL is where the Redis is: redis://user:password@host:port/db, or rediss:// for TLS. More nodes of a cluster
	// follow as ?addr=host:port.
	RedisURL conf.Secret `yaml:"redis_url"`
	// RedisCluster says that redis_url names nodes of a Redis Cluster.
	RedisCluster bool `yaml:"redis_cluster"`
	// RedisPool bounds the connections to each Redis node. Default 32.
	RedisPool int `yaml:"redis_pool"`
	// MaxBytes is what the memory backend holds, at most. A Redis has a bound of its own (maxmemory). Default 64MiB.
	MaxBytes conf.Bytes `yaml:"max_bytes"`
	// MaxEntry is the largest answer that is kept. Default 1MiB.
	MaxEntry conf.Bytes `yaml:"max_entry"`
	// TTL is how long an answer may be found, unless the call says. Default 10m.
	TTL time.Duration `yaml:"ttl"`
	// MaxTTL is the longest that a call may say. Default 24h, which is also the most.
	MaxTTL time.Duration `yaml:"max_ttl"`
	// LookupTimeout is how long a lookup may take; after that it is a miss. Default 25ms.
	LookupTimeout time.Duration `yaml:"lookup_timeout"`
	// RedisTimeout bounds every other call of a Redis, and the dialling. Default 50ms.
	RedisTimeout time.Duration `yaml:"redis_timeout"`
}

const (
	memoryBackend = "memory"
	redisBackend  = "redis"

	// maxTTL is what the Redis backend's generations outlive.
	maxTTL = redis.MaxTTL
	// maxEntry leaves room for the rest of a message.
	maxEntry = 16 << 20
)

// WithDefaults fills in every zero value.
func (c Config) WithDefaults() Config {
	if c.Backend == "" {
		c.Backend = memoryBackend
		if c.RedisURL != "" {
			c.Backend = redisBackend
		}
	}
	c.RedisPool = cmp.Or(c.RedisPool, 32)
	c.MaxBytes = cmp.Or(c.MaxBytes, 64<<20)
	c.MaxEntry = cmp.Or(c.MaxEntry, 1<<20)
	c.TTL = cmp.Or(c.TTL, 10*time.Minute)
	c.MaxTTL = cmp.Or(c.MaxTTL, maxTTL)
	c.LookupTimeout = cmp.Or(c.LookupTimeout, 25*time.Millisecond)
	c.RedisTimeout = cmp.Or(c.RedisTimeout, 50*time.Millisecond)
	return c
}

// Validate reports every field that can't work, by its path under `cache`.
func (c *Config) Validate() error {
	var p conf.Findings
	d := c.WithDefaults()
	switch d.Backend {
	case memoryBackend:
		if d.RedisURL != "" {
			p.Add("backend", "is memory, and redis_url is set beside it: take one of the two away")
		}
	case redisBackend:
		d.checkRedis(&p)
	default:
		p.Add("backend", "must be memory or redis")
	}
	d.checkSizes(&p)
	d.checkTimes(&p)
	return p.Err()
}

func (c *Config) checkRedis(p *conf.Findings) {
	if c.RedisURL == "" {
		p.Add("redis_url", "is required for the redis backend")
	} else if err := redis.CheckURL(c.RedisURL.Reveal(), c.RedisCluster); err != nil {
		p.Add("redis_url", "isn't the address of a Redis; write redis://user:password@host:port/db")
	} else {
		p.Join("redis_url", conf.RedisURL(c.RedisURL.Reveal()))
	}
	if c.RedisPool < 1 || c.RedisPool > 10_000 {
		p.Add("redis_pool", "must be from 1 to 10000")
	}
}

func (c *Config) checkSizes(p *conf.Findings) {
	switch {
	case c.MaxEntry < 1<<10 || c.MaxEntry > maxEntry:
		p.Add("max_entry", "must be from 1KiB to 16MiB")
	case c.MaxBytes < 2*c.MaxEntry:
		p.Add("max_bytes", "must be at least twice max_entry")
	}
}

func (c *Config) checkTimes(p *conf.Findings) {
	if c.TTL < time.Second {
		p.Add("ttl", "must be at least 1s")
	}
	if c.MaxTTL < c.TTL || c.MaxTTL > maxTTL {
		p.Add("max_ttl", "must be at least ttl and at most 24h")
	}
	if c.LookupTimeout < time.Millisecond || c.LookupTimeout > time.Second {
		p.Add("lookup_timeout", "must be from 1ms to 1s")
	}
	if c.RedisTimeout < time.Millisecond || c.RedisTimeout > 10*time.Second {
		p.Add("redis_timeout", "must be from 1ms to 10s")
	}
}
