// Command bench measures what Headgate adds: the simulator directly, a plain reverse proxy, and `headgate all`, in turn
// and interleaved, as a client sees them. docs/benchmarks.md tells how to read what it prints.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	headgate, out  string
	rounds, slow   int
	window         time.Duration
	proxy, towards string
	profile        string
}

func main() {
	var o options
	flag.StringVar(&o.headgate, "headgate", ".bin/headgate", "the headgate binary")
	flag.StringVar(&o.out, "out", "", "also write the table to this file")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; figures are medians over them")
	flag.DurationVar(&o.window, "window", 2*time.Second, "how long each measurement takes")
	flag.IntVar(&o.slow, "slow", 500, "how many slow streams at once; 0 leaves them out")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of Headgate under 16 streams to this file")
	flag.StringVar(&o.proxy, "proxy", "", "internal: serve as the plain reverse proxy at this address")
	flag.StringVar(&o.towards, "towards", "", "internal: the proxy's upstream")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, w io.Writer) error {
	if o.proxy != "" {
		return serveProxy(ctx, o.proxy, o.towards)
	}
	lab, err := openLab(ctx, o)
	if err != nil {
		return err
	}
	defer lab.close()
	results, err := measure(ctx, lab, o)
	if err != nil {
		return err
	}
	report(w, results, o)
	if o.out == "" {
		return nil
	}
	f, err := os.Create(o.out)
	if err != nil {
		return err
	}
	defer f.Close()
	report(f, results, o)
	return nil
}
