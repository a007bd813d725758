package main

import (
	"errors"
	"flag"
	"io/fs"
	"os"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/listen"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/batch"
	"github.com/headgate-mesh/headgate/services/cache"
	"github.com/headgate-mesh/headgate/services/gateway"
	"github.com/headgate-mesh/headgate/services/keys"
	"github.com/headgate-mesh/headgate/services/ratelimit"
	"github.com/headgate-mesh/headgate/services/router"
	"github.com/headgate-mesh/headgate/services/usage"
)

const defaultFile = "headgate.yaml"

// Config is the file that configures every service. docs/configuration.md is its reference.
type Config struct {
	// DataDir holds what has to survive a restart: secrets that `all` makes for itself. Default .headgate.
	DataDir string `yaml:"data_dir"`
	// Secret is the root of all derived keys, at least 32 characters, the same for every process of a mesh. `all` makes
	// one in DataDir.
	Secret conf.Secret `yaml:"secret"`
	// AdminKey is an administrator's key as it stands. `all` on loopback makes one in DataDir.
	AdminKey conf.Secret `yaml:"admin_key"`
	// Listen says where to listen.
	Listen Listeners `yaml:"listen"`
	// Log says what to log, to standard error.
	Log Log `yaml:"log"`
	// Tracing says what to trace; OTEL_EXPORTER_OTLP_ENDPOINT says where to.
	Tracing Tracing `yaml:"tracing"`
	// Providers, Models and Timeouts configure the router.
	Providers conf.Map[router.Provider] `yaml:"providers"`
	Models    conf.Map[router.Model]    `yaml:"models"`
	Timeouts  router.Timeouts           `yaml:"timeouts"`
	// Rules decide where requests go, Sensitivity says what counts as sensitive.
	Rules       []router.Rule      `yaml:"rules"`
	Sensitivity router.Sensitivity `yaml:"sensitivity"`
	// UsageLog bounds the router's local log of what calls consume.
	UsageLog router.UsageLog `yaml:"usage_log"`
	// Prices is the operator's price table, a file (docs/configuration.md). Default: the built-in table.
	Prices string `yaml:"prices"`
	// Keys, RateLimit, Cache, Usage and Batch configure the services of these names.
	Keys      keys.Config      `yaml:"keys"`
	RateLimit ratelimit.Config `yaml:"ratelimit"`
	Cache     cache.Config     `yaml:"cache"`
	Usage     usage.Config     `yaml:"usage"`
	Batch     batch.Config     `yaml:"batch"`
	// Gateway bounds what comes in over HTTP.
	Gateway gateway.Config `yaml:"gateway"`
	// Peers says where the other services are; `all` needs none.
	Peers Peers `yaml:"peers"`

	// file is where it was read from, as it was named; empty where it wasn't. found reports whether there was one at all.
	file  string
	found bool
	// source knows which value comes from which line, or from which variable.
	source *conf.Document
}

// Listeners are the addresses a process may listen on; each command uses those it needs.
type Listeners struct {
	// HTTP is the gateway's. Default 127.0.0.1:8080.
	HTTP listen.Config `yaml:"http"`
	// GRPC is the router's. Default 127.0.0.1:9090.
	GRPC listen.Config `yaml:"grpc"`
	// Ops is for metrics, health and profiles. Default 127.0.0.1:9091.
	Ops listen.Config `yaml:"ops"`
}

// Log says what to log.
type Log struct {
	// Level is debug, info (the default), warn or error.
	Level string `yaml:"level"`
	// Format is text (the default) or json.
	Format string `yaml:"format"`
}

// Tracing says what to trace.
type Tracing struct {
	// SampleRatio of the calls that come without a sampling decision, 0 to 1. Default 0.01.
	SampleRatio *float64 `yaml:"sample_ratio"`
}

// Peers are the addresses of services in other processes.
type Peers struct {
	// Router is where the gateway finds routers.
	Router peer.Config `yaml:"router"`
	// Keys is where the gateway and the router find the keys service; RateLimit, Cache and Usage are the others.
	Keys      peer.Config `yaml:"keys"`
	RateLimit peer.Config `yaml:"ratelimit"`
	Cache     peer.Config `yaml:"cache"`
	Usage     peer.Config `yaml:"usage"`
	// Batch is where the gateway finds the batch service; without it there are no batches.
	Batch peer.Config `yaml:"batch"`
}

// configFlag adds --config to a command.
func configFlag(flags *flag.FlagSet) *string {
	return flags.String("config", "", "the configuration file (default headgate.yaml, where there is one)")
}

// loadConfig reads the file, then the environment over it, and fills in defaults. What is wrong comes with its line, or with
// its variable's name; more are checks beyond those that every command makes.
func loadConfig(e env, path string, more ...func(*Config) error) (Config, error) {
	var c Config
	data, name, err := readFile(path)
	if err != nil {
		return c, err
	}
	doc, err := conf.Read(name, data, e.lookup)
	if err != nil {
		return c, err
	}
	if err := doc.Decode(&c); err != nil {
		return c, err
	}
	c.file, c.found, c.source = path, data != nil, doc
	c.override(e.lookup, doc.From)
	c.fill()
	errs := []error{c.validate()}
	for _, check := range more {
		errs = append(errs, check(&c))
	}
	return c, doc.Locate(errors.Join(errs...))
}

// from notes which variable a part of the configuration comes from.
func (c *Config) from(path, variable string) {
	if c.source != nil {
		c.source.From(path, variable)
	}
}

// locate gives what is wrong with the configuration its line, or its variable.
func (c *Config) locate(err error) error {
	if c.source == nil {
		return err
	}
	return c.source.Locate(err)
}

// readFile returns nothing where no file was named and the default one doesn't exist.
func readFile(path string) (data []byte, name string, err error) {
	name = path
	if name == "" {
		name = defaultFile
	}
	data, err = os.ReadFile(name)
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, name, nil
	}
	if err == nil && data == nil {
		data = []byte{}
	}
	return data, name, err
}

func (c *Config) fill() {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&c.DataDir, ".headgate")
	fill(&c.Listen.HTTP.Addr, "127.0.0.1:8080")
	fill(&c.Listen.GRPC.Addr, "127.0.0.1:9090")
	fill(&c.Listen.Ops.Addr, "127.0.0.1:9091")
	fill(&c.Log.Level, "info")
	fill(&c.Log.Format, "text")
	if c.Tracing.SampleRatio == nil {
		ratio := 0.01
		c.Tracing.SampleRatio = &ratio
	}
}

func (c *Config) router() router.Config {
	tenants := make(map[string]*ratelimitv1.Limits, len(c.RateLimit.Tenants))
	for name, limits := range c.RateLimit.Tenants {
		tenants[name] = limits.Proto()
	}
	return router.Config{
		Providers: c.Providers, Models: c.Models, Rules: c.Rules, Sensitivity: c.Sensitivity, Timeouts: c.Timeouts,
		UsageLog: c.UsageLog, Tenants: tenants,
	}
}

// validate checks what no service checks by itself, and what they do.
func (c *Config) validate() error {
	var p conf.Findings
	if n := len(c.Secret); n > 0 && n < 32 {
		p.Add("secret", "must be at least 32 characters of randomness")
	}
	if !oneOf(c.Log.Level, "debug", "info", "warn", "error") {
		p.Add("log.level", "must be one of debug, info, warn, error")
	}
	if !oneOf(c.Log.Format, "text", "json") {
		p.Add("log.format", "must be text or json")
	}
	if r := *c.Tracing.SampleRatio; !(r >= 0 && r <= 1) {
		p.Add("tracing.sample_ratio", "must be from 0 to 1")
	}
	for _, l := range c.listeners() {
		checkListener(&p, l.path, l.cfg)
	}
	for _, to := range c.Peers.named() {
		p.Join(to.path, to.cfg.Validate())
	}
	routerConfig := c.router()
	p.Join("", routerConfig.Validate())
	p.Join("gateway", c.Gateway.Validate())
	p.Join("keys", c.Keys.Validate())
	p.Join("ratelimit", c.RateLimit.Validate())
	p.Join("cache", c.Cache.Validate())
	p.Join("usage", c.Usage.Validate())
	p.Join("batch", c.Batch.Validate())
	if _, err := c.prices(); err != nil {
		p.Add("prices", "%v", err)
	}
	return p.Err()
}

// prices reads the operator's table, or returns the built-in one.
func (c *Config) prices() (*price.Table, error) {
	if c.Prices == "" {
		return price.Builtin(), nil
	}
	return price.Load(c.Prices)
}

func oneOf(s string, words ...string) bool {
	for _, w := range words {
		if s == w {
			return true
		}
	}
	return false
}
