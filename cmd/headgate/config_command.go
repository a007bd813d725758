package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/headgate-mesh/headgate/kit/conf"
)

const configUsage = `usage: headgate config check [--config FILE]
       headgate config print [--config FILE]`

// runConfig serves `headgate config check` and `headgate config print`.
func runConfig(_ context.Context, e env, args []string) error {
	if len(args) == 0 || !oneOf(args[0], "check", "print") {
		return errors.New(configUsage)
	}
	flags := flag.NewFlagSet("config "+args[0], flag.ContinueOnError)
	path := configFlag(flags)
	if err := readFlags(e, flags, args[1:]); err != nil {
		return err
	}
	if flags.NArg() == 1 && *path == "" {
		*path = flags.Arg(0)
	}
	if args[0] == "print" {
		return printConfig(e, *path)
	}
	return checkConfig(e, *path)
}

// printConfig prints what is in force.
func printConfig(e env, path string) error {
	c, err := loadConfig(e, path)
	if err != nil {
		return err
	}
	if err := c.providersFromEnvironment(e.lookup); err != nil {
		return err
	}
	return conf.Print(e.stdout, c.effective())
}

// checkConfig runs what a start runs, but for listening and dialling.
func checkConfig(e env, path string) error {
	c, err := loadConfig(e, path, (*Config).checkAll)
	if err != nil {
		return err
	}
	configured := c.Providers.Len()
	if err := c.providersFromEnvironment(e.lookup); err != nil {
		return err
	}
	if !c.found {
		return noFile(e, c)
	}
	from := ""
	if c.Providers.Len() > configured {
		from = " from the environment"
	}
	_, err = fmt.Fprintf(e.stdout, "the configuration is sound: %s%s, %s\n", number(c.Providers.Len(), "provider"), from, number(c.Models.Len(), "model"))
	return err
}

// noFile says that there is nothing to check but the environment.
func noFile(e env, c Config) error {
	names := "it names " + number(c.Providers.Len(), "provider")
	if c.Providers.Len() == 0 {
		names = "it names no provider, so that `headgate all` asks the simulator"
	}
	_, err := fmt.Fprintf(e.stdout, "there is no %s here: the environment alone decides, and %s\n", defaultFile, names)
	return err
}

// number is a count with its noun.
func number(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// effective is the configuration with every default filled in.
func (c Config) effective() Config {
	r := c.router().WithDefaults()
	c.Providers, c.Models, c.Timeouts, c.UsageLog = r.Providers, r.Models, r.Timeouts, r.UsageLog
	c.RateLimit, c.Cache, c.Gateway = c.RateLimit.WithDefaults(), c.Cache.WithDefaults(), c.Gateway.WithDefaults()
	c.Keys, c.Batch, c.Usage = c.Keys.WithDefaults().In(c.DataDir), c.Batch.WithDefaults().In(c.DataDir), c.Usage.In(c.DataDir)
	return c
}
