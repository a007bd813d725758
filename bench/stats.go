package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// metric is one figure of a window.
type metric int

// Times are in microseconds, memory in KiB.
const (
	perSecond metric = iota
	p50
	p99
	ttft // median time to the first token
	cpuRequest
	cpuChunk
	perStream // memory for each open stream
	before    // resident memory
	during
	after
	metrics
)

// sample is what one window gave: NaN for what it doesn't measure. One with a failure counts nowhere.
type sample struct {
	values  [metrics]float64
	failure error
}

// result is all windows of one scenario: for each server one per round, in the order of the rounds.
type result struct {
	scenario scenario
	samples  [subjects][]sample
}

// summarize turns one window into figures. The simulator's own work (which direct) isn't shown: only what stands in front
// of it is measured.
func summarize(l load, used time.Duration, which int, s scenario) sample {
	out := sample{failure: l.err}
	for m := range out.values {
		out.values[m] = math.NaN()
	}
	n := len(l.answers)
	if l.err != nil || n == 0 {
		out.failure = cmp.Or(l.err, errIncomplete)
		return out
	}
	totals, firsts := make([]time.Duration, n), make([]time.Duration, n)
	for i, a := range l.answers {
		totals[i], firsts[i] = a.total, a.first
	}
	if !s.slow() {
		out.values[perSecond] = float64(n) / l.took.Seconds()
	}
	out.values[p50], out.values[p99] = micros(percentile(totals, 50)), micros(percentile(totals, 99))
	if s.chunks > 0 {
		out.values[ttft] = micros(percentile(firsts, 50))
	}
	if which == direct {
		return out
	}
	out.values[cpuRequest] = micros(used) / float64(n)
	if s.chunks > 0 {
		out.values[cpuChunk] = out.values[cpuRequest] / float64(s.chunks)
	}
	return out
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// percentile returns the smallest value that p per cent of all are at or below (nearest rank); 0 where there is none.
func percentile[T cmp.Ordered](values []T, p int) T {
	var zero T
	if len(values) == 0 {
		return zero
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// spread is a figure over the rounds that counted; n of them had it.
type spread struct {
	median, low, high float64
	n                 int
}

// over returns the spread of values, NaN left out; of an even number the median is the mean of the middle two.
func over(values []float64) spread {
	values = slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	n := len(values)
	if n == 0 {
		return spread{}
	}
	slices.Sort(values)
	return spread{median: (values[(n-1)/2] + values[n/2]) / 2, low: values[0], high: values[n-1], n: n}
}

// figure is the spread of one server's metric.
func (r *result) figure(which int, m metric) spread {
	return r.compare(which, which, m, func(a, _ float64) float64 { return a })
}

// compare is the spread of f(a, b), a and b being two servers' figures of the same round: windows that lie beside each
// other in time, so that a slow minute of the machine falls on both.
func (r *result) compare(a, b int, m metric, f func(a, b float64) float64) spread {
	var values []float64
	for i := range min(len(r.samples[a]), len(r.samples[b])) {
		x, y := r.samples[a][i], r.samples[b][i]
		if x.failure == nil && y.failure == nil {
			values = append(values, f(x.values[m], y.values[m]))
		}
	}
	return over(values)
}

// failed is how many windows don't count.
func failed(results []*result) int {
	n := 0
	for _, r := range results {
		for _, samples := range r.samples {
			for _, s := range samples {
				if s.failure != nil {
					n++
				}
			}
		}
	}
	return n
}

func difference(a, b float64) float64 { return a - b }

func ratio(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}
