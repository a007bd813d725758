package ratelimit

import (
	"cmp"
	"regexp"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/money"
)

// Config says where accounts are kept and what tenants may use.
type Config struct {
	// Backend is memory (the default), for one instance, or redis, for any number (the default where redis_url is set).
	Backend string `yaml:"backend"`
	// RedisURL is redis://user:password@host:port/db, or rediss:// for TLS. Required for redis, and refused beside memory.
	RedisURL conf.Secret `yaml:"redis_url"`
	// RedisCluster says that RedisURL is a node of a Redis Cluster; more nodes follow as ?addr=host:port.
	RedisCluster bool `yaml:"redis_cluster"`
	// KeyPrefix begins the name of every key in Redis. Default headgate.
	KeyPrefix string `yaml:"key_prefix"`
	// PoolSize bounds the connections to Redis, or to each node of a cluster. Default 32.
	PoolSize int `yaml:"pool_size"`
	// Timeout bounds a decision by Redis as long as that answers others: past it the call is refused with 503. Where Redis
	// answers nobody for 60ms, or nothing within 20ms, this instance decides alone. 10ms to 250ms, default 200ms.
	Timeout time.Duration `yaml:"timeout"`
	// Instances is how many instances share the limits as long as Redis hasn't told. Default 1.
	Instances int64 `yaml:"instances"`
	// LeaseTime is how long routers may spend what they took in advance, 1s to 2s. Default 2s. What is next to nothing of a
	// limit, half a percent for all routers together, they may keep for 8s.
	LeaseTime time.Duration `yaml:"lease_time"`
	// BudgetGrace is how long budgets are spent while Redis is away, each instance its part of what was left when it last
	// heard of it; then calls of who has one are refused. Where Redis is away for some instances only, the others spend the
	// same money meanwhile: a budget can be overrun by that part once. 1ns, which is none and no overrun, to 10m, default 30s.
	BudgetGrace time.Duration `yaml:"budget_grace"`
	// Tenants are the limits of whole tenants, by name (1 to 64 of a-z, 0-9, _ and -, as keys have it); a tenant that isn't
	// here has none. Routers need the same.
	Tenants map[string]Limits `yaml:"tenants"`
}

// Limits bound what a tenant may use, all of its keys together. Zero is no limit.
type Limits struct {
	// RequestsPerMinute and TokensPerMinute hold over any time; the burst is one minute's worth.
	RequestsPerMinute int64 `yaml:"requests_per_minute"`
	TokensPerMinute   int64 `yaml:"tokens_per_minute"`
	// ConcurrentRequests are under way at once.
	ConcurrentRequests int64 `yaml:"concurrent_requests"`
	// BudgetUSD is US dollars for each BudgetPeriod, at most six decimals.
	BudgetUSD float64 `yaml:"budget_usd"`
	// BudgetPeriod is day, month (the default) or total; days and months are those of UTC.
	BudgetPeriod string `yaml:"budget_period"`
}

// periods are the words for periods.
var periods = map[string]ratelimitv1.BudgetPeriod{
	"": ratelimitv1.BudgetPeriod_BUDGET_PERIOD_MONTH, "day": ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY,
	"month": ratelimitv1.BudgetPeriod_BUDGET_PERIOD_MONTH, "total": ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL,
}

// Proto is the message of these limits.
func (l Limits) Proto() *ratelimitv1.Limits {
	m := &ratelimitv1.Limits{
		RequestsPerMinute: l.RequestsPerMinute, TokensPerMinute: l.TokensPerMinute, ConcurrentRequests: l.ConcurrentRequests,
	}
	if l.BudgetUSD != 0 {
		m.BudgetUsd, m.BudgetPeriod = l.BudgetUSD, periods[l.BudgetPeriod]
	}
	return m
}

// WithDefaults fills in what is unset.
func (c Config) WithDefaults() Config {
	if c.Backend == "" && c.RedisURL != "" {
		c.Backend = "redis"
	}
	c.Backend = cmp.Or(c.Backend, "memory")
	c.KeyPrefix = cmp.Or(c.KeyPrefix, "headgate")
	c.PoolSize = cmp.Or(c.PoolSize, 32)
	c.Timeout = cmp.Or(c.Timeout, 200*time.Millisecond)
	c.Instances = cmp.Or(c.Instances, 1)
	c.LeaseTime = cmp.Or(c.LeaseTime, 2*time.Second)
	c.BudgetGrace = cmp.Or(c.BudgetGrace, 30*time.Second)
	return c
}

// Validate reports every field that can't work, by its path in the file. Zero values stand for their defaults.
func (c *Config) Validate() error {
	var p conf.Findings
	d := c.WithDefaults()
	d.checkBackend(&p)
	if d.Timeout < 10*time.Millisecond || d.Timeout > 250*time.Millisecond {
		p.Add("timeout", "must be from 10ms to 250ms")
	}
	if d.LeaseTime < time.Second || d.LeaseTime > 2*time.Second {
		p.Add("lease_time", "must be from 1s to 2s")
	}
	if d.BudgetGrace < 0 || d.BudgetGrace > 10*time.Minute {
		p.Add("budget_grace", "must be from 1ns, which is none, to 10m")
	}
	if d.Instances < 1 {
		p.Add("instances", "must be at least 1")
	}
	if d.PoolSize < 1 {
		p.Add("pool_size", "must be at least 1")
	}
	if strings.ContainsAny(d.KeyPrefix, "{}") {
		p.Add("key_prefix", "must not hold braces: they decide where a cluster keeps a key")
	}
	for name, l := range d.Tenants {
		if !tenantName.MatchString(name) {
			p.Add("tenants."+name, "no key can have this tenant, so these limits would hold for nobody: its name must be 1 to 64 of a-z, 0-9, _ and -")
		}
		l.check(&p, "tenants."+name)
	}
	return p.Err()
}

// tenantName is what the keys service takes for a tenant.
var tenantName = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func (c *Config) checkBackend(p *conf.Findings) {
	switch c.Backend {
	case "memory":
		if c.RedisURL != "" {
			p.Add("backend", "is memory, and redis_url is set beside it: take one of the two away")
		}
	case "redis":
		if c.RedisURL == "" {
			p.Add("redis_url", "is required for backend redis")
			return
		}
		p.Join("redis_url", checkURL(c.RedisURL.Reveal(), c.RedisCluster))
	default:
		p.Add("backend", "must be memory or redis")
	}
}

// checkURL doesn't quote the URL: it may hold a password.
func checkURL(url string, cluster bool) error {
	var err error
	if cluster {
		_, err = goredis.ParseClusterURL(url)
	} else {
		_, err = goredis.ParseURL(url)
	}
	if err != nil {
		return conf.Invalid("", "isn't the address of a Redis; write redis://user:password@host:port/db")
	}
	return conf.RedisURL(url)
}

func (l Limits) check(p *conf.Findings, path string) {
	check := func(field string, v int64) {
		if v < 0 || v > bucket.MaxLimit {
			p.Add(path+"."+field, "must be from 0, which is no limit, to %d", int64(bucket.MaxLimit))
		}
	}
	check("requests_per_minute", l.RequestsPerMinute)
	check("tokens_per_minute", l.TokensPerMinute)
	check("concurrent_requests", l.ConcurrentRequests)
	if _, err := money.FromUSD(l.BudgetUSD); err != nil {
		p.Add(path+".budget_usd", "%s", err.Error())
	}
	if _, ok := periods[l.BudgetPeriod]; !ok {
		p.Add(path+".budget_period", "must be day, month or total")
	}
	if l.BudgetPeriod != "" && l.BudgetUSD == 0 {
		p.Add(path+".budget_period", "must be unset where budget_usd is")
	}
}
