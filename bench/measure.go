package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"
)

const (
	warmup = 300 * time.Millisecond
	// settle is what a server gets after a window for the work that it does once an answer is out.
	settle = 50 * time.Millisecond
	// decay is how long after the slow streams memory is read once more.
	decay = time.Second
)

// measure goes through all scenarios and servers, round after round. Slow streams come first, on servers that have seen
// nothing else.
func measure(ctx context.Context, o options) ([]*result, error) {
	slow, err := measureSlow(ctx, o)
	if err != nil {
		return nil, err
	}
	fast, err := measureFast(ctx, o)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "\r%70s\r", "")
	return append(fast, slow...), nil
}

func measureFast(ctx context.Context, o options) ([]*result, error) {
	l, err := openLab(ctx, o)
	if err != nil {
		return nil, err
	}
	defer l.close()
	var results []*result
	for _, s := range fastScenarios(o) {
		results = append(results, &result{scenario: s})
		l.warm(ctx, s)
	}
	for round := range o.rounds {
		for _, r := range results {
			for which := range l.subjects {
				progress(r.scenario, round, which)
				r.samples[which] = append(r.samples[which], l.window(ctx, which, r.scenario, o.window))
				if err := ctx.Err(); err != nil {
					return nil, err
				}
			}
		}
	}
	if o.profile != "" {
		err = l.profile(ctx, o)
	}
	return results, err
}

// measureSlow starts new servers for each round: memory that the streams of an earlier round left behind would hide that
// of the next.
func measureSlow(ctx context.Context, o options) ([]*result, error) {
	if o.slow <= 0 || o.slowRounds <= 0 {
		return nil, nil
	}
	r := &result{scenario: slowScenario(o)}
	for round := range o.slowRounds {
		if err := measureSlowRound(ctx, o, r, round); err != nil {
			return nil, err
		}
	}
	return []*result{r}, nil
}

func measureSlowRound(ctx context.Context, o options, r *result, round int) error {
	l, err := openLab(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	l.warm(ctx, scenario{dialect: o.dialect, conns: 16, chunks: 50})
	for which := range l.subjects {
		progress(r.scenario, round, which)
		out := l.slowWindow(ctx, which, r.scenario)
		r.samples[which] = append(r.samples[which], out)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// warm drives every server for a moment. What goes wrong here goes wrong in the windows too, and is reported there.
func (l *lab) warm(ctx context.Context, s scenario) {
	for _, sub := range l.subjects {
		drive(ctx, sub.addr, sub.keys, s, warmup)
	}
}

// window measures one server once.
func (l *lab) window(ctx context.Context, which int, s scenario, length time.Duration) sample {
	sub := l.subjects[which]
	start, err := sub.cpu()
	if err != nil {
		return sample{failure: err}
	}
	got := drive(ctx, sub.addr, sub.keys, s, length)
	_ = pause(ctx, settle) // whoever interrupts is heard after the window
	end, err := sub.cpu()
	got.err = errors.Join(got.err, err)
	return summarize(got, end-start, which, s)
}

// slowWindow measures one server under slow streams, and its memory before, during and after.
func (l *lab) slowWindow(ctx context.Context, which int, s scenario) sample {
	sub := l.subjects[which]
	idle, err := sub.memory()
	if err != nil {
		return sample{failure: err}
	}
	peak := watch(sub)
	out := l.window(ctx, which, s, ramp+time.Duration(s.chunks)*s.delay)
	top := peak()
	if which == direct || out.failure != nil {
		return out
	}
	_ = pause(ctx, decay) // whoever interrupts is heard after the window
	rest, err := sub.memory()
	if err != nil {
		return sample{failure: err}
	}
	out.values[before], out.values[during], out.values[after] = kib(idle), kib(top), kib(rest)
	out.values[perStream] = math.Max(0, kib(top)-kib(idle)) / float64(s.conns)
	return out
}

// watch reads a subject's memory ten times a second until the returned function is called, which gives the highest.
func watch(s *subject) func() int64 {
	stop, result := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var top int64
		for {
			select {
			case <-tick.C:
				now, _ := s.memory() // 0 when a process has ended; the window fails of that
				top = max(top, now)
			case <-stop:
				result <- top
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-result
	}
}

func kib(bytes int64) float64 { return float64(bytes) / 1024 }

func progress(s scenario, round, which int) {
	fmt.Fprintf(os.Stderr, "\r%-40s round %d %-16s", s.name, round+1, names[which])
}
