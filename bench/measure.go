package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// sample is what one window gave.
type sample struct {
	perSecond            float64
	p50, p99, first      time.Duration
	cpuRequest, cpuChunk time.Duration
	memory               int64 // bytes per open stream
	failed               int
	failure              error
}

// result is all samples of one subject under one scenario.
type result struct {
	scenario scenario
	subject  string
	samples  []sample
}

func scenarios(o options) []scenario {
	list := []scenario{
		{name: "unary, 1 connection", model: "gpt-5", conns: 1},
		{name: "unary, 16 connections", model: "gpt-5", conns: 16},
		{name: "50 chunks, 1 connection", model: "gpt-5#chunks=50", stream: true, conns: 1, chunks: 50},
		{name: "50 chunks, 16 connections", model: "gpt-5#chunks=50", stream: true, conns: 16, chunks: 50},
	}
	if o.slow > 0 {
		list = append(list, scenario{
			name: fmt.Sprintf("%d slow streams at once", o.slow), model: "gpt-5#chunks=50,chunk_delay=100ms", stream: true, conns: o.slow, chunks: 50,
		})
	}
	return list
}

func (s scenario) slow() bool { return s.conns > 100 }

// measure runs every scenario against every subject in turn, round after round, so that a slow moment of the machine
// hits them all.
func measure(ctx context.Context, l *lab, o options) ([]*result, error) {
	var results []*result
	for _, s := range scenarios(o) {
		perSubject := make([]*result, len(l.subjects))
		for i, subject := range l.subjects {
			perSubject[i] = &result{scenario: s, subject: subject.name}
			if !s.slow() {
				drive(ctx, subject.addr, s, o.window/4) // warm-up
			}
		}
		for round := range roundsOf(s, o) {
			for i, subject := range l.subjects {
				fmt.Fprintf(os.Stderr, "\r%-28s round %d %-16s", s.name, round+1, subject.name)
				perSubject[i].samples = append(perSubject[i].samples, l.window(ctx, subject, s, o))
				if err := ctx.Err(); err != nil {
					return nil, err
				}
			}
		}
		results = append(results, perSubject...)
	}
	fmt.Fprintf(os.Stderr, "\r%60s\r", "")
	if o.profile == "" {
		return results, nil
	}
	return results, profileUnderLoad(ctx, l, o)
}

// roundsOf: a window of slow streams takes as long as a stream, so there are fewer.
func roundsOf(s scenario, o options) int {
	if s.slow() {
		return min(o.rounds, 2)
	}
	return o.rounds
}

// window measures one subject once.
func (l *lab) window(ctx context.Context, sub *subject, s scenario, o options) sample {
	pid := sub.proc.Process.Pid
	before, idle := cpu(pid), memory(pid)
	var peak int64
	if s.slow() {
		watch := time.AfterFunc(3*time.Second, func() { peak = memory(pid) })
		defer watch.Stop()
	}
	begin := time.Now()
	window := o.window
	if s.slow() {
		window = time.Second // no second request: the first takes five seconds
	}
	answers := drive(ctx, sub.addr, s, window)
	took, used := time.Since(begin), cpu(pid)-before
	out := summarize(answers, took, used, s)
	if peak > idle {
		out.memory = (peak - idle) / int64(s.conns)
	}
	return out
}

func profileUnderLoad(ctx context.Context, l *lab, o options) error {
	const length = 5 * time.Second
	gate := l.subjects[len(l.subjects)-1]
	done := make(chan struct{})
	go func() {
		defer close(done)
		drive(ctx, gate.addr, scenario{model: "gpt-5#chunks=50", stream: true, conns: 16, chunks: 50}, length+time.Second)
	}()
	err := l.profile(ctx, o.profile, length)
	<-done
	return err
}
