// Command bench measures what Headgate adds: the simulator directly, a plain reverse proxy, and `headgate all`, in turn
// and interleaved, as a client sees them. docs/benchmarks.md tells how to run it and how to read what it prints.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	headgate, out, profile string
	dialect                dialect
	rounds, slowRounds     int
	window, limit          time.Duration
	slow, slowChunks       int
	slowDelay              time.Duration
	quick                  bool
	only                   string
	governed, split, batch bool
	keys, againstKeys      int
	against                string
	proxy, towards         string
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(2) // the flag package has said why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	o := options{dialect: openai}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.headgate, "headgate", ".bin/headgate", "the headgate binary")
	f.StringVar(&o.out, "out", "", "also write the table to this file")
	f.StringVar(&o.profile, "profile", "", "afterwards write a CPU profile of Headgate under every load but the slow one to this file")
	f.Func("dialect", "openai or anthropic (default openai)", func(s string) error { return o.dialect.set(s) })
	f.IntVar(&o.rounds, "rounds", 5, "rounds; figures are medians over them")
	f.DurationVar(&o.window, "window", 2*time.Second, "how long each measurement takes")
	f.IntVar(&o.slowRounds, "slow-rounds", 3, "rounds of slow streams")
	f.IntVar(&o.slow, "slow", 500, "how many slow streams at once; 0 leaves them out")
	f.IntVar(&o.slowChunks, "slow-chunks", 50, "chunks of a slow stream")
	f.DurationVar(&o.slowDelay, "slow-delay", 100*time.Millisecond, "time between the chunks of a slow stream")
	f.DurationVar(&o.limit, "limit", 15*time.Minute, "longest time for everything")
	f.BoolVar(&o.quick, "quick", false, "half a minute: 2 rounds of 500ms, one of 500 slow streams of 20 chunks; not for figures to quote")
	f.BoolVar(&o.governed, "governed", true, "present clients' keys, with limits and books; false: the administrator's key, which has none")
	f.IntVar(&o.keys, "keys", 1, "how many clients' keys, presented in turn")
	f.StringVar(&o.against, "against", "", "another headgate binary to compare with, in place of the plain proxy")
	f.IntVar(&o.againstKeys, "against-keys", 0, "how many clients' keys that one gets (default as many as -keys)")
	f.BoolVar(&o.split, "split", false, "run each of Headgate's services as a process of its own; CPU and memory are those of all together")
	f.BoolVar(&o.batch, "batch", false, "measure something else instead: what people who talk to a self-hosted model notice of a batch beside them")
	f.StringVar(&o.only, "only", "", "only the fast loads whose name holds this, such as \"16 conn\"")
	f.StringVar(&o.proxy, "proxy", "", "internal: serve as the plain reverse proxy at this address")
	f.StringVar(&o.towards, "towards", "", "internal: the proxy's upstream")
	err := f.Parse(args)
	if err == nil && o.keys < 1 {
		err = errors.New("-keys has to be at least 1")
		fmt.Fprintln(os.Stderr, err)
	}
	if o.againstKeys < 1 {
		o.againstKeys = o.keys
	}
	if o.against != "" {
		names[plain] = "the other"
	}
	if err == nil && o.quick {
		o.rounds, o.window, o.slowRounds, o.slowChunks = 2, 500*time.Millisecond, 1, 20
		err = f.Parse(args) // again: what is given by name wins
	}
	return o, err
}

func run(ctx context.Context, o options, w io.Writer) error {
	if o.proxy != "" {
		return serveProxy(ctx, o.proxy, o.towards)
	}
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	about, err := describe(o)
	if err != nil {
		return err
	}
	text, failures, err := table(ctx, o)
	if err != nil {
		return err
	}
	text = about + text
	fmt.Fprint(w, text)
	if o.out != "" {
		err = os.WriteFile(o.out, []byte(text), 0o600)
	}
	if failures > 0 {
		err = errors.Join(err, fmt.Errorf("%d windows failed and aren't counted", failures))
	}
	return err
}

// table measures what was asked for.
func table(ctx context.Context, o options) (text string, failures int, err error) {
	if o.batch {
		return measureBeside(ctx, o)
	}
	results, err := measure(ctx, o)
	if err != nil {
		return "", 0, err
	}
	return report(results), failed(results), nil
}
