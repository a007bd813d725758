package overload

import (
	"runtime/metrics"
)

// fewest is how many goroutines have to have become runnable for their waits to mean something.
const fewest = 100

// schedulerWaits reads the runtime's histogram of how long goroutines were runnable before they ran.
func schedulerWaits() func() float64 {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	var before, beforeLong uint64
	return func() float64 {
		metrics.Read(sample)
		if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
			return 0
		}
		all, long := longer(sample[0].Value.Float64Histogram(), Tolerance.Seconds())
		n, over := all-before, long-beforeLong
		before, beforeLong = all, long
		if n < fewest {
			return 0
		}
		return float64(over) / float64(n)
	}
}

// longer counts all, and those in buckets that begin at or above a bound.
func longer(h *metrics.Float64Histogram, bound float64) (all, long uint64) {
	for i, n := range h.Counts {
		all += n
		if h.Buckets[i] >= bound {
			long += n
		}
	}
	return all, long
}
