package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"reflect"
	"syscall"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/run"
	"github.com/headgate-mesh/headgate/kit/telemetry"
)

// addReload follows the configuration: a SIGHUP, or a change of a file, brings the new one in force, all of it or, where
// anything is wrong with it, nothing.
func (p *process) addReload() error {
	reloads, err := p.tel.Meter().Int64Counter("headgate.config.reloads",
		metric.WithDescription("Configurations that were read again, by outcome: applied, or refused for a mistake in them."))
	if err != nil {
		return err
	}
	p.group.Add(run.Component{Name: "configuration", Run: func(ctx context.Context) error {
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
		conf.Follow(ctx, p.files, hangup, func() {
			outcome := "applied"
			if err := p.reload(); err != nil {
				outcome = "refused"
				p.log.Error("the configuration is refused: the last good one stays in force", "cause", err.Error())
			}
			reloads.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", outcome)))
		})
		return nil
	}})
	return nil
}

// files are those that make up the configuration.
func (p *process) files() []string {
	c := p.loaded
	name := c.file
	if name == "" {
		name = defaultFile
	}
	list := make([]string, 0, 2)
	if _, err := os.Stat(name); c.file != "" || !errors.Is(err, fs.ErrNotExist) {
		list = append(list, name)
	}
	if c.Prices != "" {
		list = append(list, c.Prices)
	}
	return append(list, c.Sensitivity.Files()...)
}

// reload reads the configuration again and brings it in force.
func (p *process) reload() error {
	c, err := loadConfig(p.env, p.loaded.file)
	if err != nil {
		return err
	}
	if names := restarts(p.loaded, c); len(names) > 0 {
		p.log.Warn("a change takes effect with a restart only", "fields", names)
	}
	if p.router != nil {
		if err := p.reloadRouter(c); err != nil {
			return err
		}
	}
	if p.ratelimit != nil {
		p.ratelimit.SetTenants(c.RateLimit.Tenants)
	}
	if level, err := telemetry.Level(c.Log.Level); err == nil {
		p.level.Set(level)
	}
	p.loaded = c
	p.log.Info("the configuration is in force", "providers", c.Providers.Len(), "models", c.Models.Len())
	return nil
}

func (p *process) reloadRouter(c Config) error {
	if err := p.findProviders(&c); err != nil {
		return err
	}
	prices, err := c.prices()
	if err != nil {
		return err
	}
	return p.router.Reload(c.router(), prices)
}

// errNoProvider is what a router without anybody to ask gets.
var errNoProvider = errors.New("the router needs a provider: configure one, or set ANTHROPIC_API_KEY, OPENAI_API_KEY, VLLM_BASE_URL or TGI_BASE_URL")

// findProviders takes providers from the environment where the file has none, and the simulator where that has none. It
// returns errNoProvider where there is none either.
func (p *process) findProviders(c *Config) error {
	if err := c.providersFromEnvironment(p.env.lookup); err != nil {
		return err
	}
	if c.Providers.Len() == 0 && p.simulator != "" {
		c.providersFromSimulator(p.simulator)
	}
	if c.Providers.Len() == 0 {
		return errNoProvider
	}
	return nil
}

// restarts names the fields that differ and are read at the start only.
func restarts(old, new Config) []string {
	old.RateLimit.Tenants, new.RateLimit.Tenants = nil, nil
	var names []string
	for _, f := range []struct {
		name     string
		old, new any
	}{
		{"data_dir", old.DataDir, new.DataDir},
		{"secret", old.Secret, new.Secret},
		{"admin_key", old.AdminKey, new.AdminKey},
		{"listen", old.Listen, new.Listen},
		{"log.format", old.Log.Format, new.Log.Format},
		{"tracing", *old.Tracing.SampleRatio, *new.Tracing.SampleRatio},
		{"usage_log", old.UsageLog, new.UsageLog},
		{"keys", old.Keys, new.Keys},
		{"ratelimit", old.RateLimit, new.RateLimit},
		{"cache", old.Cache, new.Cache},
		{"usage", old.Usage, new.Usage},
		{"batch", old.Batch, new.Batch},
		{"gateway", old.Gateway, new.Gateway},
		{"peers", old.Peers, new.Peers},
	} {
		if !reflect.DeepEqual(f.old, f.new) {
			names = append(names, f.name)
		}
	}
	return names
}
