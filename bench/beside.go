package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What is measured with -batch: people who talk to a self-hosted model while a batch is asked of the same one. The model
// answers slots requests at once, each in about an eighth of a second; the batch may have as many under way by itself.
const (
	slots       = 16
	besideConns = 8
	besideLines = 20_000
	besideFirst = 40 * time.Millisecond
	besideGap   = 4 * time.Millisecond
	besideParts = 20
)

// The three situations of each round.
const (
	alone = iota
	withBatch
	withClients
	situations
)

var situationNames = [situations]string{"nothing else", "a batch", "as many other clients"}

var besideScenario = scenario{
	name: "8 connections", conns: besideConns, chunks: besideParts,
	dialect: dialect{
		name: "openai", path: "/v1/chat/completions", model: "gpu/qwen3-8b",
		content: openai.content, empty: openai.empty, last: openai.last, whole: openai.whole,
	},
}

// beside is one window.
type beside struct {
	perSecond, p50, p99, firstP50, firstP99 float64
	// lines is how many of the batch's were answered in a second.
	lines   float64
	failure error
}

// measureBeside goes through the situations, round after round, and returns the table.
func measureBeside(ctx context.Context, o options) (text string, failures int, err error) {
	l, err := openBeside(ctx, o)
	if err != nil {
		return "", 0, err
	}
	defer l.close()
	addr := l.subjects[1].addr
	file, err := upload(ctx, addr, adminKey)
	if err != nil {
		return "", 0, err
	}
	drive(ctx, addr, admins, besideScenario, warmup)
	var windows [situations][]beside
	for round := range o.rounds {
		for which := range situations {
			fmt.Fprintf(os.Stderr, "\r%-40s round %d %-24s", besideScenario.name, round+1, situationNames[which])
			w := besideWindow(ctx, addr, admins, which, file, o.window)
			if ctx.Err() != nil {
				return "", 0, ctx.Err()
			}
			windows[which] = append(windows[which], w)
		}
	}
	fmt.Fprintf(os.Stderr, "\r%70s\r", "")
	text, failures = besideTable(windows)
	return text, failures, nil
}

// admins is the only key of these loads.
var admins = []string{adminKey}

// openBeside starts a simulator that serves a model with few slots, and Headgate before it.
func openBeside(ctx context.Context, o options) (*lab, error) {
	dir, err := os.MkdirTemp("", "headgate-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir}
	if err := l.startBeside(ctx, o); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) startBeside(ctx context.Context, o options) error {
	addrs, err := freeAddrs(ctx, 2)
	if err != nil {
		return err
	}
	sim, http := addrs[0], addrs[1]
	simConfig, config := filepath.Join(l.dir, "sim.yaml"), filepath.Join(l.dir, "headgate.yaml")
	simText := fmt.Sprintf("faults: \"ttft=%s,chunk_delay=%s,chunks=%d\"\nvllm: {slots: %d}\n", besideFirst, besideGap, besideParts, slots)
	text := fmt.Sprintf("data_dir: %q\nlog: {level: error}\nbatch: {concurrency: %d}\nproviders:\n  gpu: {kind: vllm, endpoints: [\"http://%s/vllm\"]}\n",
		l.dir, slots, sim)
	if err := errors.Join(os.WriteFile(simConfig, []byte(simText), 0o600), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return err
	}
	if err := l.launch(ctx, direct, sim, launch{program: o.headgate, args: []string{"sim", "-addr", sim, "-config", simConfig}}); err != nil {
		return err
	}
	launches, _, err := mesh(ctx, together, o.headgate, config, http)
	if err != nil {
		return err
	}
	return l.launch(ctx, gate, http, launches...)
}

// besideWindow measures the people while something else goes on, or nothing.
func besideWindow(ctx context.Context, addr string, keys []string, which int, file string, length time.Duration) (w beside) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var done func() (int64, error)
	switch which {
	case withBatch:
		b, err := begin(ctx, addr, keys[0], file)
		if err != nil {
			return beside{failure: err}
		}
		defer func() { w.failure = errors.Join(w.failure, b.cancel(ctx)) }()
		done = func() (int64, error) { return b.completed(ctx) }
	case withClients:
		others := besideScenario
		others.conns = slots
		ended := make(chan struct{})
		go func() { defer close(ended); drive(ctx, addr, keys, others, length+settleIn) }()
		defer func() { <-ended }()
	}
	_ = pause(ctx, settleIn) // so that what reacts to load has seen it; whoever interrupts is heard afterwards
	return besideFigures(ctx, addr, keys, length, done)
}

// settleIn is how long a situation lasts before it is measured: longer than between two looks at a server's load.
const settleIn = 5 * time.Second

func besideFigures(ctx context.Context, addr string, keys []string, length time.Duration, done func() (int64, error)) beside {
	var before, after int64
	var err, errAfter error
	if done != nil {
		before, err = done()
	}
	got := drive(ctx, addr, keys, besideScenario, length)
	if done != nil {
		after, errAfter = done()
	}
	if err := errors.Join(err, errAfter, got.err); err != nil || len(got.answers) == 0 {
		return beside{failure: cmp.Or(err, errIncomplete)}
	}
	var totals, firsts []time.Duration
	for _, a := range got.answers {
		totals, firsts = append(totals, a.total), append(firsts, a.first)
	}
	return beside{
		perSecond: float64(len(got.answers)) / got.took.Seconds(), lines: float64(after-before) / got.took.Seconds(),
		p50: micros(percentile(totals, 50)), p99: micros(percentile(totals, 99)),
		firstP50: micros(percentile(firsts, 50)), firstP99: micros(percentile(firsts, 99)),
	}
}

// besideTable writes the medians over the rounds.
func besideTable(windows [situations][]beside) (text string, failures int) {
	var b strings.Builder
	b.WriteString("| beside | answers/s | first token p50 | p99 | whole answer p50 | p99 | lines of the batch/s |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for which, list := range windows {
		var problems []error
		figure := func(of func(beside) float64, show func(float64) string) string {
			var values []float64
			for _, w := range list {
				if w.failure == nil {
					values = append(values, of(w))
				}
			}
			return cell(over(values), show)
		}
		for _, w := range list {
			if w.failure != nil {
				problems = append(problems, w.failure)
			}
		}
		failures += len(problems)
		lines := ""
		if which == withBatch {
			lines = figure(func(w beside) float64 { return w.lines }, count)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", situationNames[which],
			figure(func(w beside) float64 { return w.perSecond }, count),
			figure(func(w beside) float64 { return w.firstP50 }, duration), figure(func(w beside) float64 { return w.firstP99 }, duration),
			figure(func(w beside) float64 { return w.p50 }, duration), figure(func(w beside) float64 { return w.p99 }, duration), lines)
		for _, err := range problems {
			fmt.Fprintf(&b, "\nA window beside %s failed: %v\n", situationNames[which], err)
		}
	}
	return b.String(), failures
}
