package main

import (
	"errors"
	"math"
	"os"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	values := []int{5, 1, 4, 2, 3, 6, 7, 8, 9, 10}
	for p, want := range map[int]int{0: 1, 50: 5, 51: 6, 99: 10, 100: 10} {
		if got := percentile(values, p); got != want {
			t.Errorf("p%d is %d, want %d", p, got, want)
		}
	}
	if got := percentile([]int(nil), 50); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}

func TestOver(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		values []float64
		want   spread
	}{
		"nothing":  {nil, spread{}},
		"only NaN": {[]float64{math.NaN()}, spread{}},
		"one":      {[]float64{3}, spread{3, 3, 3, 1}},
		"odd":      {[]float64{9, 1, 2}, spread{2, 1, 9, 3}},
		"even":     {[]float64{4, 1, 2, 9}, spread{3, 1, 9, 4}},
		"with NaN": {[]float64{4, math.NaN(), 2}, spread{3, 2, 4, 2}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := over(c.values); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	l := load{answers: []answer{{time.Millisecond, 3 * time.Millisecond}, {2 * time.Millisecond, 5 * time.Millisecond}}, took: time.Second}
	got := summarize(l, 10*time.Millisecond, gate, scenario{chunks: 10}).values
	want := map[metric]float64{perSecond: 2, p50: 3000, p99: 5000, ttft: 1000, cpuRequest: 5000, cpuChunk: 500}
	for m, v := range want {
		if got[m] != v {
			t.Errorf("metric %d is %v, want %v", m, got[m], v)
		}
	}
	if own := summarize(l, 10*time.Millisecond, direct, scenario{}).values; !math.IsNaN(own[cpuRequest]) || !math.IsNaN(own[ttft]) {
		t.Errorf("the simulator's own work is shown, or a first token of an answer without: %v", own)
	}
}

func TestAWindowWithAFailureHasNoFigures(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]load{
		"an error among answers": {answers: []answer{{total: 1}}, took: 1, err: errStatus},
		"no answer":              {took: 1},
	} {
		got := summarize(l, 1, gate, scenario{})
		if got.failure == nil || !math.IsNaN(got.values[p50]) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestCompareTakesPairsOfTheSameRound(t *testing.T) {
	t.Parallel()
	at := func(v float64) sample { return sample{values: [metrics]float64{p50: v}} }
	broken := sample{values: [metrics]float64{p50: 1000}, failure: errors.New("short")}
	r := &result{}
	r.samples[direct] = []sample{at(10), at(20), at(90), broken}
	r.samples[gate] = []sample{at(11), broken, at(95), at(1)}
	if got, want := r.compare(gate, direct, p50, difference), (spread{3, 1, 5, 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := r.figure(direct, p50), (spread{20, 10, 90, 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestProcessClock(t *testing.T) {
	t.Parallel()
	start, err := cpu(os.Getpid())
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("only Linux tells the clock of a process:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
		continue // work is what is measured
	}
	now, err := cpu(os.Getpid())
	if err != nil || now <= start {
		t.Errorf("from %s to %s, %v", start, now, err)
	}
	if rss, err := memory(os.Getpid()); err != nil || rss < 1<<20 {
		t.Errorf("%d bytes, %v", rss, err)
	}
	if _, err := cpu(1 << 22); err == nil {
		t.Error("no error for a process that isn't there")
	}
}
