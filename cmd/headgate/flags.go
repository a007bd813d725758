package main

import (
	"flag"
	"fmt"
)

// parse reads a command's flags into its configuration. extra adds the command's own flags.
func parse(e env, name string, args []string, extra func(*flag.FlagSet)) (Config, error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(e.stderr)
	path := configFlag(flags)
	if extra != nil {
		extra(flags)
	}
	if err := flags.Parse(args); err != nil {
		return Config{}, err
	}
	if flags.NArg() > 0 {
		return Config{}, fmt.Errorf("%s takes flags only, not %q", name, flags.Arg(0))
	}
	return loadConfig(e, *path)
}
