package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// report prints the machine, one table per scenario group, and what failed.
func report(w io.Writer, results []*result, o options) {
	fmt.Fprintf(w, "%s, %d cores, %s %s/%s; %d rounds of %s, interleaved, medians\n\n",
		processor(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, o.rounds, o.window)
	fmt.Fprintln(w, "| load | subject | requests/s | p50 | p99 | added p50 | added p99 | first byte | added | CPU/request | CPU/chunk | memory/stream |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	var direct *result
	for _, r := range results {
		if r.subject == "direct" {
			direct = r
		}
		fmt.Fprintln(w, row(r, direct))
	}
	fmt.Fprintln(w)
	ratios(w, results)
	failures(w, results)
}

func row(r, direct *result) string {
	p50, p99, first := latency(r)
	d50, d99, dFirst := latency(direct)
	cells := []string{
		r.scenario.name, r.subject,
		fmt.Sprintf("%.0f", median(r.samples, func(s sample) float64 { return s.perSecond })),
		micros(p50), micros(p99), added(r, p50-d50), added(r, p99-d99), micros(first), added(r, first-dFirst),
	}
	cells = append(cells, micros(median(r.samples, func(s sample) time.Duration { return s.cpuRequest })))
	cells = append(cells, "", "")
	if r.scenario.stream {
		cells[10] = micros(median(r.samples, func(s sample) time.Duration { return s.cpuChunk }))
	}
	if m := median(r.samples, func(s sample) int64 { return s.memory }); m > 0 {
		cells[11] = fmt.Sprintf("%d KiB", m>>10)
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

func latency(r *result) (p50, p99, first time.Duration) {
	return median(r.samples, func(s sample) time.Duration { return s.p50 }),
		median(r.samples, func(s sample) time.Duration { return s.p99 }),
		median(r.samples, func(s sample) time.Duration { return s.first })
}

func micros(d time.Duration) string {
	if d >= 10*time.Millisecond || d <= -10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d us", d.Microseconds())
}

func added(r *result, d time.Duration) string {
	if r.subject == "direct" {
		return ""
	}
	return micros(d)
}

// ratios compares Headgate with the plain reverse proxy, round by round.
func ratios(w io.Writer, results []*result) {
	for i := 2; i < len(results); i += 3 {
		proxy, gate := results[i-1], results[i]
		var rate, work []float64
		for k := range min(len(proxy.samples), len(gate.samples)) {
			a, b := proxy.samples[k], gate.samples[k]
			if a.failed+b.failed == 0 && a.perSecond > 0 && a.cpuRequest > 0 {
				rate = append(rate, b.perSecond/a.perSecond)
				work = append(work, float64(b.cpuRequest)/float64(a.cpuRequest))
			}
		}
		if len(rate) > 0 {
			fmt.Fprintf(w, "%s: Headgate / reverse proxy = %.2f of its requests per second (%.2f to %.2f), %.2f of its CPU per request (%.2f to %.2f)\n\n",
				gate.scenario.name, percentile(rate, 50), percentile(rate, 0), percentile(rate, 100),
				percentile(work, 50), percentile(work, 0), percentile(work, 100))
		}
	}
}

func failures(w io.Writer, results []*result) {
	for _, r := range results {
		for i, s := range r.samples {
			if s.failed > 0 {
				fmt.Fprintf(w, "not counted: %s, %s, round %d: %d requests failed, the last by: %v\n", r.scenario.name, r.subject, i+1, s.failed, s.failure)
			}
		}
	}
}

// processor is the CPU's name.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(name), ":"))
		}
	}
	return runtime.GOARCH
}
