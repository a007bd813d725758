// Command headgate is the whole gateway: every service, alone or together, and the tools around them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// version is set by the linker.
var version = "dev"

// command is one subcommand. Its run gets the arguments after its name.
type command struct {
	name, help string
	// usage lists the verbs of a command that has some.
	usage string
	run   func(ctx context.Context, e env, args []string) error
}

// env is the world around the process, so that tests can give another.
type env struct {
	stdout, stderr io.Writer
	lookup         func(string) (string, bool)
}

func commands() []command {
	return []command{
		{name: "all", help: "run the whole mesh in one process", run: runAll},
		{name: "gateway", help: "run the HTTP gateway; it needs a router elsewhere", run: runGateway},
		{name: "router", help: "run the router", run: runRouter},
		{name: "keys", help: "run the service that keeps callers' keys", run: runKeys},
		{name: "ratelimit", help: "run the service that holds limits", run: runRateLimit},
		{name: "cache", help: "run the service that keeps answers", run: runCache},
		{name: "usage", help: "what was used and what it cost; `headgate usage serve` runs the service that keeps it", run: runUsageOrServe},
		{name: "batch", help: "send work that can wait, and read its results; `headgate batch serve` runs the service that does it", usage: batchUsage, run: runBatch},
		{name: "mesh", help: "run every service as a process of its own on this machine", run: runMesh},
		{name: "key", help: "make, list, change, rotate and revoke keys", usage: keyUsage, run: runKey},
		{name: "quota", help: "how the limits and budgets of a key and its tenant stand: headgate quota [KEY_ID]", run: runQuota},
		{name: "sim", help: "run the provider simulator", run: runSim},
		{name: "config", help: "check a configuration file, or print what is in force: headgate config check|print [--config FILE]", usage: configUsage, run: runConfig},
		{name: "version", help: "print the version", run: runVersion},
	}
}

func main() {
	heap := heapFloor(os.LookupEnv)
	redis.SetLogger(&logging.VoidLogger{}) // it would write to standard error by itself; whoever uses it logs what fails
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	e := env{stdout: os.Stdout, stderr: os.Stderr, lookup: os.LookupEnv}
	err := dispatch(ctx, e, os.Args[1:])
	stop()
	runtime.KeepAlive(heap)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "headgate:", err)
		os.Exit(1)
	}
}

// dispatch runs a command. That its output couldn't be written is its error too.
func dispatch(ctx context.Context, e env, args []string) error {
	out := &output{w: e.stdout}
	e.stdout = out
	err := choose(ctx, e, args)
	return out.judge(ctx, err)
}

func choose(ctx context.Context, e env, args []string) error {
	if len(args) == 0 {
		help(e.stderr)
		return errors.New("name a command")
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return runHelp(ctx, e, args[1:])
	case "-v", "-version", "--version":
		return runVersion(ctx, e, nil)
	}
	if c, ok := commandOf(args[0]); ok {
		if c.usage != "" && len(args) > 1 && asksHelp(args[1]) {
			fmt.Fprintln(e.stdout, c.usage)
			return nil
		}
		return c.run(ctx, e, args[1:])
	}
	help(e.stderr)
	return unknownCommand(args[0])
}

func commandOf(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

func asksHelp(word string) bool { return oneOf(word, "-h", "-help", "--help") }

func unknownCommand(name string) error {
	return fmt.Errorf("there is no command %q; headgate help lists them", name)
}

// runHelp lists the commands, or, with the words of one, prints that one's own help.
func runHelp(ctx context.Context, e env, args []string) error {
	if len(args) == 0 {
		help(e.stdout)
		return nil
	}
	c, ok := commandOf(args[0])
	if !ok {
		return unknownCommand(args[0])
	}
	fmt.Fprintf(e.stdout, "headgate %s: %s\n", c.name, c.help)
	return choose(ctx, e, append(slices.Clone(args), "--help"))
}

func help(w io.Writer) {
	fmt.Fprintln(w, "usage: headgate COMMAND [flags]")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.help)
	}
	fmt.Fprintln(w, "headgate help COMMAND tells more.")
}

func runVersion(_ context.Context, e env, _ []string) error {
	_, err := fmt.Fprintln(e.stdout, version)
	return err
}
