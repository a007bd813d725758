package main

import (
	"cmp"
	"slices"
	"time"
)

// summarize turns the answers of one window into figures. Failed answers count as failures and nowhere else.
func summarize(answers []answer, took, used time.Duration, s scenario) sample {
	var out sample
	var totals, firsts []time.Duration
	for _, a := range answers {
		if a.err != nil {
			out.failed++
			out.failure = a.err
			continue
		}
		totals = append(totals, a.total)
		firsts = append(firsts, a.first)
	}
	n := len(totals)
	if n == 0 {
		return out
	}
	out.perSecond = float64(n) / took.Seconds()
	out.p50, out.p99, out.first = percentile(totals, 50), percentile(totals, 99), percentile(firsts, 50)
	out.cpuRequest = used / time.Duration(n)
	if s.chunks > 0 {
		out.cpuChunk = out.cpuRequest / time.Duration(s.chunks)
	}
	return out
}

// percentile returns the value that p per cent of all are at or below; 0 where there is none.
func percentile[T cmp.Ordered](values []T, p int) T {
	var zero T
	if len(values) == 0 {
		return zero
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

// median returns the middle of what f gives for each sample that didn't fail.
func median[T cmp.Ordered](samples []sample, f func(sample) T) T {
	var values []T
	for _, s := range samples {
		if s.failed == 0 {
			values = append(values, f(s))
		}
	}
	return percentile(values, 50)
}
