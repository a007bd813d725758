package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/headgate-mesh/headgate/kit/conf"
)

// runConfig serves `headgate config check` and `headgate config print`.
func runConfig(_ context.Context, e env, args []string) error {
	if len(args) == 0 || !oneOf(args[0], "check", "print") {
		return errors.New("usage: headgate config check|print [--config FILE]")
	}
	flags := flag.NewFlagSet("config "+args[0], flag.ContinueOnError)
	path := configFlag(flags)
	if err := readFlags(e, flags, args[1:]); err != nil {
		return err
	}
	if flags.NArg() == 1 && *path == "" {
		*path = flags.Arg(0)
	}
	c, err := loadConfig(e, *path)
	if err != nil {
		return err
	}
	if args[0] == "print" {
		c.providersFromEnvironment(e.lookup)
		return conf.Print(e.stdout, c.effective())
	}
	_, err = fmt.Fprintf(e.stdout, "the configuration is sound: %d providers, %d models\n", c.Providers.Len(), c.Models.Len())
	return err
}

// effective is the configuration with every default filled in.
func (c Config) effective() Config {
	r := c.router().WithDefaults()
	c.Providers, c.Models, c.Timeouts, c.UsageLog = r.Providers, r.Models, r.Timeouts, r.UsageLog
	c.Keys, c.RateLimit, c.Cache = c.Keys.WithDefaults(), c.RateLimit.WithDefaults(), c.Cache.WithDefaults()
	c.Gateway, c.Batch = c.Gateway.WithDefaults(), c.Batch.WithDefaults()
	return c
}
