package catalog_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/standing"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fake is a target in the making.
type fake struct {
	weight   int
	pace     time.Duration
	inFlight int
	load     *provider.Load
	replicas int
	open     bool
	cooling  bool
	sick     bool
}

// model makes the targets a, b, c... of a model.
func model(s catalog.Strategy, fakes ...fake) []catalog.Target {
	var list []catalog.Target
	for i, f := range fakes {
		keys := credential.New([]string{"k1", "k2"}, nil)
		o := provider.Options{Keys: keys, Replicas: f.replicas, Healthy: func() (bool, bool) { return !f.sick, true }}
		if f.load != nil {
			o.Load = func() (provider.Load, bool) { return *f.load, true }
		}
		t := catalog.Target{
			Provider: provider.New(provider.Identity{Name: string(rune('a' + i))}, nil, o), Model: "m",
			Strategy: s, Weight: f.weight, Standing: standing.NewTarget(standing.NewBudget()),
		}
		f.impress(t)
		list = append(list, t)
	}
	return list
}

func (f fake) impress(t catalog.Target) {
	if f.pace > 0 {
		t.Standing.FirstContent(f.pace, epoch)
	}
	for range f.inFlight {
		t.Standing.Begin()
	}
	for range breaker.Floor {
		if ticket, ok := t.Standing.Breaker().Admit(epoch); ok && f.open {
			ticket.Fail(epoch)
		}
	}
	if f.cooling {
		for range 2 {
			t.Provider.Keys().Pick("m", epoch).Limited(epoch, 12*time.Second)
		}
	}
}

func letters(targets []catalog.Target) string {
	var s strings.Builder
	for _, t := range targets {
		s.WriteString(t.Provider.Name)
	}
	return s.String()
}

// dice returns numbers in turn, then zeros.
func dice(numbers ...float64) catalog.Rand {
	return func() float64 {
		if len(numbers) == 0 {
			return 0
		}
		n := numbers[0]
		numbers = numbers[1:]
		return n
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	cases := []struct {
		name     string
		strategy catalog.Strategy
		targets  []fake
		dice     []float64
		want     string
	}{
		{"failover, as it stands", catalog.Failover, []fake{{open: true}, {}, {sick: true}}, nil, "abc"},
		{"weighted, one", catalog.Weighted, []fake{{weight: 0}}, nil, "a"},
		{"weighted, the smaller lot", catalog.Weighted, []fake{{weight: 1}, {weight: 1}, {weight: 1}}, []float64{0.5, 0.2, 0.3}, "bca"},
		{"weighted, a weight makes lots smaller", catalog.Weighted, []fake{{weight: 1}, {weight: 10}}, []float64{0.2, 0.5}, "ba"},
		{"weighted, fallbacks come last, in order", catalog.Weighted, []fake{{weight: 0}, {weight: 0}, {weight: 1}}, nil, "cab"},
		{"weighted, the spared after all", catalog.Weighted, []fake{{weight: 5, open: true}, {weight: 0}, {weight: 1}}, nil, "cba"},
		{"least loaded, the faster one", catalog.LeastLoaded, []fake{{pace: 300 * ms}, {pace: 200 * ms}}, nil, "ba"},
		{"least loaded, the idle one", catalog.LeastLoaded, []fake{{pace: 200 * ms, inFlight: 3}, {pace: 300 * ms}}, nil, "ba"},
		{"least loaded, both", catalog.LeastLoaded, []fake{{pace: 200 * ms, inFlight: 1}, {pace: 500 * ms}}, nil, "ab"},
		{"least loaded, an unknown one is tried", catalog.LeastLoaded, []fake{{pace: 200 * ms, inFlight: 1}, {}}, nil, "ba"},
		{"least loaded, the spared last", catalog.LeastLoaded, []fake{{open: true}, {pace: time.Minute, inFlight: 9}, {sick: true}, {cooling: true}}, nil, "bacd"},
		{"least loaded, two of three: the best isn't drawn", catalog.LeastLoaded, []fake{{pace: 100 * ms}, {pace: 200 * ms}, {pace: 300 * ms}}, []float64{0.99, 0.6}, "bac"},
		{"least loaded, two of three: it is", catalog.LeastLoaded, []fake{{pace: 300 * ms}, {pace: 200 * ms}, {pace: 100 * ms}}, []float64{0.99, 0}, "cba"},
		{"least loaded, equals: by chance", catalog.LeastLoaded, []fake{{}, {}}, []float64{0.9, 0}, "ba"},
		{"least loaded, a queue", catalog.LeastLoaded, []fake{{load: &provider.Load{Running: 4, Waiting: 4}}, {load: &provider.Load{Running: 9}}}, nil, "ba"},
		{"least loaded, a full cache", catalog.LeastLoaded, []fake{{load: &provider.Load{Running: 4, CacheUsage: 1}}, {load: &provider.Load{Running: 6, CacheUsage: 0.8}}}, nil, "ba"},
		{"least loaded, more replicas", catalog.LeastLoaded, []fake{{inFlight: 4}, {inFlight: 9, replicas: 4}}, nil, "ba"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list := model(c.strategy, c.targets...)
			before := letters(list)
			if got := letters(catalog.Order(list, epoch, dice(c.dice...))); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if letters(list) != before {
				t.Error("the catalog's own order was changed")
			}
		})
	}
}

// TestWeightedShares: each target comes first by its share, and where one is away its share falls to the others by theirs.
func TestWeightedShares(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test's
	const calls = 40_000
	for _, c := range []struct {
		name    string
		targets []fake
		want    map[string]float64
	}{
		{"all", []fake{{weight: 6}, {weight: 3}, {weight: 1}, {weight: 0}}, map[string]float64{"a": 0.6, "b": 0.3, "c": 0.1}},
		{"without the first", []fake{{weight: 6, open: true}, {weight: 3}, {weight: 1}}, map[string]float64{"b": 0.75, "c": 0.25}},
	} {
		got := make(map[string]float64)
		list := model(catalog.Weighted, c.targets...)
		for range calls {
			got[letters(catalog.Order(list, epoch, random.Float64))[:1]] += 1.0 / calls
		}
		for name, share := range got {
			if math.Abs(share-c.want[name]) > 0.015 {
				t.Errorf("%s: %s has %.3f, want %.2f", c.name, name, share, c.want[name])
			}
		}
	}
}

// TestLeastLoadedSpreads: of targets with the same pace none gets much more than another, and one that is four times as
// slow gets little. A call is under way for as long as its target takes.
func TestLeastLoadedSpreads(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 3)) //nolint:gosec // a test's
	paces := map[string]int{"a": 10, "b": 10, "c": 40}
	list := model(catalog.LeastLoaded, fake{pace: 10 * time.Millisecond}, fake{pace: 10 * time.Millisecond}, fake{pace: 40 * time.Millisecond})
	ends := make(map[int][]catalog.Target)
	got := make(map[string]int)
	for tick := range 20_000 {
		for _, t := range ends[tick] {
			t.Standing.End()
		}
		delete(ends, tick)
		first := catalog.Order(list, epoch, random.Float64)[0]
		first.Standing.Begin()
		got[first.Provider.Name]++
		end := tick + paces[first.Provider.Name]
		ends[end] = append(ends[end], first)
	}
	t.Log(got)
	if got["a"] < 7000 || got["b"] < 7000 || got["c"] > 5000 || got["c"] == 0 {
		t.Errorf("%v", got)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	cases := []struct {
		name     string
		strategy catalog.Strategy
		targets  []fake
		want     []string
	}{
		{"failover", catalog.Failover, []fake{{open: true}, {}, {}}, []string{
			"b + first in order", "c + next in order", "a - breaker open for 5s",
		}},
		{"spared", catalog.Failover, []fake{{sick: true}, {cooling: true}, {}}, []string{
			"c + first in order", "a - unhealthy", "b - all keys cooling for 12s",
		}},
		{"the last resort", catalog.Failover, []fake{{sick: true}, {cooling: true}, {open: true}}, []string{
			"c + breaker open for 5s, but no other is left", "b - all keys cooling for 12s", "a - unhealthy",
		}},
		{"weighted", catalog.Weighted, []fake{{weight: 3}, {weight: 0}}, []string{"a + weight 3 of 3", "b + weight 0: a fallback"}},
		{"least loaded", catalog.LeastLoaded, []fake{{pace: 1400 * ms}, {pace: 800 * ms}}, []string{
			"b + least loaded: score 0.8 against 1.4", "a + load score 1.4",
		}},
		{"one least loaded", catalog.LeastLoaded, []fake{{pace: 1400 * ms}}, []string{"a + load score 1.4"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, candidate := range catalog.Explain(model(c.strategy, c.targets...), epoch) {
				mark := map[bool]string{true: "+", false: "-"}[candidate.Chosen]
				got = append(got, fmt.Sprintf("%s %s %s", candidate.Target.Provider.Name, mark, candidate.Reason))
			}
			// The breaker's jitter is half a second to both sides.
			text := strings.ReplaceAll(strings.Join(got, "\n"), "open for 6s", "open for 5s")
			if text != strings.Join(c.want, "\n") {
				t.Errorf("%s\nwant\n%s", text, strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	targets := model(catalog.Weighted, fake{weight: 1}, fake{weight: 1})
	c := catalog.New([]catalog.Model{{Name: "x", Targets: targets}}, nil)
	list, strategy, err := c.Candidates("x")
	if err != nil || strategy != "weighted" || len(list) != 2 || list[0].State.Keys != 2 {
		t.Errorf("%v, %s, %v", list, strategy, err)
	}
	if _, _, err := c.Candidates("nobody's"); err == nil {
		t.Error("an unknown model has candidates")
	}
}

// TestOrderIsCheap: failover allocates nothing.
func TestOrderIsCheap(t *testing.T) {
	list := model(catalog.Failover, fake{}, fake{}, fake{})
	if n := testing.AllocsPerRun(100, func() { catalog.Order(list, epoch, rand.Float64) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkOrder(b *testing.B) {
	for _, s := range []catalog.Strategy{catalog.Failover, catalog.Weighted, catalog.LeastLoaded} {
		b.Run(s.String(), func(b *testing.B) {
			f := fake{weight: 1, pace: time.Millisecond}
			list := model(s, f, f, f)
			b.ReportAllocs()
			for b.Loop() {
				catalog.Order(list, epoch, rand.Float64)
			}
		})
	}
}
