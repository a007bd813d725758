package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// Promise S7: what is left of the peak at three times the capacity, how soon the rest is refused, and how much memory
// that may cost.
const (
	goodputKept    = 0.90
	refusedIn      = 10 * time.Millisecond
	overloadMemory = 64 << 20
)

// TestS7: at three times the capacity as much is served as before, the rest is refused at once, and told when to come
// back.
func TestS7(t *testing.T) {
	const places, takes = 24, 100 * time.Millisecond
	up := newUpstream(func(v *voice, _, _ int) {
		<-time.After(takes)
		v.answer("well")
	})
	m := start(t, mesh.Options{Upstream: up, Extra: fmt.Sprintf("gateway: {max_in_flight: %d}\n", places)})
	y := promise(t, "S7", "three times the capacity")
	d := size(3*time.Second, 60*time.Second)
	ask := func(i int) outcome {
		path, text := body([]string{"openai", "anthropic"}[i%2], []string{"openai/m", "claude/m"}[i/2%2], i%1_000_000, false, i%3 == 0)
		return exchange(t.Context(), m, path, text)
	}
	peak := closedLoop(places, size(2*time.Second, 10*time.Second), func(i int) bool { return !ask(i).failed() })
	before := resident(t, m)
	o := &overload{tally: y}
	most := before
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.Tick(50 * time.Millisecond); ; {
			select {
			case <-done:
				return
			case <-tick:
				most = max(most, resident(t, m))
			}
		}
	}()
	began := time.Now()
	openLoop(t.Context(), int(3*peak*8/7), d, func(i int) {
		if i%8 == 0 {
			o.probe(t.Context(), m)
			return
		}
		o.note(ask(1_000_000 + i))
	})
	goodput := float64(o.good.Load()) / time.Since(began).Seconds()
	close(done)
	<-watched
	p99, noise := o.refusals.percentile(99), o.probes.percentile(99)
	y.found("peak %.0f/s, goodput at x3 %.0f/s (%.0f %%), %d refused in p99 %s (probes: %s), +%d MiB", peak, goodput, 100*goodput/peak,
		o.refused.Load(), p99.Round(100*time.Microsecond), noise.Round(100*time.Microsecond), (most-before)>>20)
	kept := goodputKept
	if !alone {
		kept = 0.7 // the peak may have been measured in a quieter moment
	}
	if goodput < kept*peak {
		y.broken("goodput %.0f/s, the peak was %.0f/s", goodput, peak)
	}
	if o.refused.Load() < o.good.Load() {
		y.broken("%d refused, %d served: no overload", o.refused.Load(), o.good.Load())
	}
	if p99 >= patient(refusedIn) && p99 > 2*noise {
		y.broken("refusals take %s (p99), want less than %s; a health probe takes %s", p99, refusedIn, noise)
	}
	if most-before > overloadMemory {
		y.broken("%d MiB more memory", (most-before)>>20)
	}
	if a := closedLoop(places/2, time.Second, func(i int) bool { return !ask(2_000_000 + i).failed() }); a < 0.4*peak {
		y.broken("afterwards half of the load gets %.0f/s", a)
	}
}

// overload is what came of the requests.
type overload struct {
	*tally

	good, refused atomic.Int64
	// probes come as the requests do, and are refused nothing: what they wait for is the machine.
	refusals, probes durations
}

func (o *overload) probe(ctx context.Context, m *mesh.Mesh) {
	asked := time.Now()
	if status, _, err := get(ctx, m.URL("/healthz")); err != nil || status != http.StatusOK {
		o.broken("a probe got status %d, %v", status, err)
	}
	o.probes.add(time.Since(asked))
}

func (o *overload) note(a outcome) {
	o.kept()
	switch {
	case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "" && a.header.Get("X-Should-Retry") != "false":
		o.refused.Add(1)
		o.refusals.add(a.took)
	case a.failed():
		o.broken("status %d, %v: %s", a.status, a.err, a.body)
	default:
		o.good.Add(1)
	}
}

// closedLoop keeps so many callers busy for a while and returns how many calls per second went well.
func closedLoop(callers int, d time.Duration, f func(i int) bool) float64 {
	var wg sync.WaitGroup
	var n, well atomic.Int64
	began := time.Now()
	for range callers {
		wg.Go(func() {
			for time.Since(began) < d {
				if f(int(n.Add(1))) {
					well.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return float64(well.Load()) / time.Since(began).Seconds()
}
