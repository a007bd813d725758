package main

import (
	"cmp"
	"fmt"
	"math"
	"strings"
)

const header = `| load | server | requests/s | p50 | p99 | added p50 | added p99 | first token | added first token | CPU/request | CPU/chunk | memory/stream |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`

// report is the table, the memory around the slow streams, and every window that failed.
func report(results []*result) string {
	var b strings.Builder
	b.WriteString(header)
	for _, r := range results {
		for which := range subjects {
			line(&b, r.scenario.name, names[which], r.cells(which))
		}
		line(&b, r.scenario.name, names[gate]+" / "+names[plain], r.ratios())
	}
	for _, r := range results {
		for which := range subjects {
			r.aside(&b, which)
		}
	}
	return b.String()
}

func line(b *strings.Builder, load, server string, cells []string) {
	fmt.Fprintf(b, "| %s | %s | %s |\n", load, server, strings.Join(cells, " | "))
}

// cells is one server's row.
func (r *result) cells(which int) []string {
	own := func(m metric, show func(float64) string) string { return cell(r.figure(which, m), show) }
	added := func(m metric) string {
		if which == direct {
			return ""
		}
		return cell(r.compare(which, direct, m, difference), signed)
	}
	rate := own(perSecond, count)
	if r.figure(which, p50).n == 0 {
		rate = "failed"
	}
	return []string{
		rate, own(p50, duration), own(p99, duration), added(p50), added(p99), own(ttft, duration), added(ttft),
		own(cpuRequest, duration), own(cpuChunk, duration), own(perStream, size),
	}
}

// ratios is the row that compares Headgate with the plain proxy, round by round.
func (r *result) ratios() []string {
	of := func(m metric) string { return cell(r.compare(gate, plain, m, ratio), times) }
	return []string{of(perSecond), of(p50), of(p99), "", "", of(ttft), "", of(cpuRequest), of(cpuChunk), of(perStream)}
}

// aside writes what has no place in the table.
func (r *result) aside(b *strings.Builder, which int) {
	if idle := r.figure(which, before); idle.n > 0 {
		fmt.Fprintf(b, "\nResident memory of %s around the %s: before %s, highest %s, %s after the last %s.\n", names[which],
			r.scenario.name, cell(idle, mib), cell(r.figure(which, during), mib), decay, cell(r.figure(which, after), mib))
	}
	for i, s := range r.samples[which] {
		if s.failure != nil {
			fmt.Fprintf(b, "\nFailed, not counted: %s, %s, round %d: %v\n", r.scenario.name, names[which], i+1, s.failure)
		}
	}
}

// cell shows a median and, of several rounds, the lowest and the highest.
func cell(s spread, show func(float64) string) string {
	switch s.n {
	case 0:
		return ""
	case 1:
		return show(s.median)
	}
	return fmt.Sprintf("%s (%s to %s)", show(s.median), show(s.low), show(s.high))
}

func count(v float64) string { return fmt.Sprintf("%.0f", v) }

func times(v float64) string { return fmt.Sprintf("%.2fx", v) }

func size(kib float64) string { return fmt.Sprintf("%.1f KiB", kib) }

func mib(kib float64) string { return fmt.Sprintf("%.1f MiB", kib/1024) }

// duration shows microseconds: with three digits or so, in the unit that suits.
func duration(us float64) string {
	switch a := math.Abs(us); {
	case a >= 1e6:
		return fmt.Sprintf("%.3f s", us/1e6)
	case a >= 1e4:
		return fmt.Sprintf("%.1f ms", us/1e3)
	case a < 100:
		return fmt.Sprintf("%.1f µs", us)
	}
	return fmt.Sprintf("%.0f µs", us)
}

func signed(us float64) string {
	sign := map[int]string{1: "+"}[cmp.Compare(us, 0)]
	return sign + duration(us)
}
