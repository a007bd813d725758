package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// parse reads a command's flags into its configuration. extra adds the command's own flags, checks are its own of the
// configuration.
func parse(e env, name string, args []string, extra func(*flag.FlagSet), checks ...func(*Config) error) (Config, error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	path := configFlag(flags)
	if extra != nil {
		extra(flags)
	}
	if err := readFlags(e, flags, args); err != nil {
		return Config{}, err
	}
	if flags.NArg() > 0 {
		return Config{}, fmt.Errorf("%s takes flags only, not %q", name, flags.Arg(0))
	}
	return loadConfig(e, *path, checks...)
}

// readFlags parses flags. Who asks for help gets all of them and flag.ErrHelp, who makes a mistake a sentence about it.
func readFlags(e env, flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(e.stdout, "flags of headgate %s:\n", flags.Name())
		flags.SetOutput(e.stdout)
		flags.PrintDefaults()
		return err
	}
	return fmt.Errorf("%w; headgate %s -h lists the flags", err, flags.Name())
}
