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
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// version is set by the linker.
var version = "dev"

// command is one subcommand. Its run gets the arguments after its name.
type command struct {
	name, help string
	run        func(ctx context.Context, e env, args []string) error
}

// env is the world around the process, so that tests can give another.
type env struct {
	stdout, stderr io.Writer
	lookup         func(string) (string, bool)
}

func commands() []command {
	return []command{
		{"all", "run the whole mesh in one process", runAll},
		{"gateway", "run the HTTP gateway; it needs a router elsewhere", runGateway},
		{"router", "run the router", runRouter},
		{"keys", "run the service that keeps callers' keys", runKeys},
		{"ratelimit", "run the service that holds limits", runRateLimit},
		{"cache", "run the service that keeps answers", runCache},
		{"usage", "what was used and what it cost; `headgate usage serve` runs the service that keeps it", runUsageOrServe},
		{"batch", "send work that can wait, and read its results; `headgate batch serve` runs the service that does it", runBatch},
		{"mesh", "run every service as a process of its own on this machine", runMesh},
		{"key", "make, list, change, rotate and revoke keys", runKey},
		{"quota", "how the limits and budgets of a key and its tenant stand: headgate quota [KEY_ID]", runQuota},
		{"sim", "run the provider simulator", runSim},
		{"config", "check a configuration file, or print what is in force: headgate config check|print [--config FILE]", runConfig},
		{"version", "print the version", runVersion},
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

func dispatch(ctx context.Context, e env, args []string) error {
	if len(args) == 0 {
		return help(e.stderr)
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, e, args[1:])
		}
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		_ = help(e.stdout)
		return nil
	}
	_ = help(e.stderr)
	return fmt.Errorf("there is no command %q", args[0])
}

func help(w io.Writer) error {
	fmt.Fprintln(w, "usage: headgate COMMAND [flags]")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.help)
	}
	return fmt.Errorf("name a command")
}

func runVersion(_ context.Context, e env, _ []string) error {
	_, err := fmt.Fprintln(e.stdout, version)
	return err
}
