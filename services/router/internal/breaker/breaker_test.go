package breaker_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// bench is a breaker and a clock.
type bench struct {
	breaker.Breaker

	now time.Time
}

func newBench() *bench { return &bench{now: epoch} }

func (b *bench) pass(d time.Duration) { b.now = b.now.Add(d) }

// try makes one attempt that ends at once; false means that it wasn't admitted.
func (b *bench) try(fail bool) bool {
	ticket, ok := b.Admit(b.now)
	switch {
	case !ok:
	case fail:
		ticket.Fail(b.now)
	default:
		ticket.Succeed(b.now)
	}
	return ok
}

// trip opens it.
func (b *bench) trip(t *testing.T) {
	t.Helper()
	for range breaker.Floor {
		b.try(true)
	}
	b.want(t, breaker.Open)
}

func (b *bench) want(t *testing.T, want breaker.State) {
	t.Helper()
	if got, _ := b.Read(b.now); got != want {
		t.Fatalf("after %s it is %s, want %s", b.now.Sub(epoch), got, want)
	}
}

func TestOpens(t *testing.T) {
	t.Parallel()
	type batch struct {
		wait        time.Duration
		good, bad   int
		withdrawn   int
		stillFlying int
	}
	cases := []struct {
		name    string
		batches []batch
		want    breaker.State
	}{
		{"nothing", nil, breaker.Closed},
		{"nineteen failures", []batch{{bad: 19}}, breaker.Closed},
		{"twenty failures", []batch{{bad: 20}}, breaker.Open},
		{"half of twenty", []batch{{good: 10, bad: 10}}, breaker.Open},
		{"less than half", []batch{{good: 11, bad: 10}}, breaker.Closed},
		{"an absolute number of failures in many", []batch{{good: 1000, bad: 100}}, breaker.Closed},
		{"failures of a time gone by", []batch{{bad: 19}, {wait: 11 * time.Second, bad: 19}}, breaker.Closed},
		{"failures spread over the window", []batch{{bad: 10}, {wait: 8 * time.Second, bad: 10}}, breaker.Open},
		{"what is under way counts", []batch{{stillFlying: 30, bad: 20}}, breaker.Closed},
		{"what was the caller's doing doesn't", []batch{{withdrawn: 100, bad: 19}}, breaker.Closed},
		{"nor does it hide failures", []batch{{withdrawn: 100, bad: 20}}, breaker.Open},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			for _, batch := range c.batches {
				b.pass(batch.wait)
				for range batch.stillFlying {
					b.Admit(b.now)
				}
				for range batch.withdrawn {
					ticket, _ := b.Admit(b.now)
					ticket.Withdraw()
				}
				for range batch.good {
					b.try(false)
				}
				for range batch.bad {
					b.try(true)
				}
			}
			b.want(t, c.want)
		})
	}
}

// TestLateFailures: attempts whose fate is known long after they were sent (a timer of two minutes) still open it.
func TestLateFailures(t *testing.T) {
	t.Parallel()
	b := newBench()
	var tickets []breaker.Ticket
	for range 25 {
		ticket, _ := b.Admit(b.now)
		tickets = append(tickets, ticket)
	}
	b.pass(2 * time.Minute)
	for i := range tickets {
		tickets[i].Fail(b.now)
	}
	b.want(t, breaker.Open)
}

// TestNoise is T1.6, first part: half a percent of errors at 1000 a second, for ten minutes, never opens it.
func TestNoise(t *testing.T) {
	t.Parallel()
	b := newBench()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's
	for range 10 * 60 * 1000 {
		if !b.try(random.Float64() < 0.005) {
			t.Fatalf("opened after %s", b.now.Sub(epoch))
		}
		b.pass(time.Millisecond)
	}
}

// TestOpensSoon is T1.6, second part: 60 % errors at 50 a second open it within two seconds.
func TestOpensSoon(t *testing.T) {
	t.Parallel()
	var worst time.Duration
	for seed := range uint64(200) {
		b := newBench()
		random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test's
		for b.try(random.Float64() < 0.6) {
			b.pass(20 * time.Millisecond)
		}
		worst = max(worst, b.now.Sub(epoch))
	}
	if worst > 2*time.Second {
		t.Errorf("took up to %s", worst)
	}
	t.Logf("opened within %s in each of 200 runs", worst)
}

// TestProbes is T1.6, third part: of 200 goroutines three get through half-open.
func TestProbes(t *testing.T) {
	t.Parallel()
	for range 50 {
		b := newBench()
		b.trip(t)
		b.pass(breaker.OpenFor)
		var admitted atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 200 {
			wg.Go(func() {
				<-start
				if _, ok := b.Admit(b.now); ok {
					admitted.Add(1)
				}
			})
		}
		close(start)
		wg.Wait()
		if admitted.Load() != breaker.Probes {
			t.Fatalf("%d probes", admitted.Load())
		}
	}
}

func TestHalfOpen(t *testing.T) {
	t.Parallel()
	good, bad, back := (*breaker.Ticket).Succeed, (*breaker.Ticket).Fail, func(t *breaker.Ticket, _ time.Time) { t.Withdraw() }
	cases := []struct {
		name  string
		steps []func(*breaker.Ticket, time.Time)
		want  breaker.State
	}{
		{"no answer yet", nil, breaker.HalfOpen},
		{"one good", []func(*breaker.Ticket, time.Time){good}, breaker.HalfOpen},
		{"two good", []func(*breaker.Ticket, time.Time){good, good}, breaker.Closed},
		{"one bad of three", []func(*breaker.Ticket, time.Time){bad, good, good}, breaker.Closed},
		{"two bad", []func(*breaker.Ticket, time.Time){bad, bad}, breaker.Open},
		{"two bad of three", []func(*breaker.Ticket, time.Time){bad, good, bad}, breaker.Open},
		{"callers who left tell nothing", []func(*breaker.Ticket, time.Time){back, back, back}, breaker.HalfOpen},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			b.trip(t)
			b.pass(breaker.OpenFor)
			for _, step := range c.steps {
				ticket, ok := b.Admit(b.now)
				if !ok {
					t.Fatal("no probe left")
				}
				step(&ticket, b.now)
				step(&ticket, b.now) // the second time does nothing
			}
			b.want(t, c.want)
		})
	}
}

// TestSilentProbes: probes that hang don't keep it half-open for ever.
func TestSilentProbes(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.trip(t)
	b.pass(breaker.OpenFor)
	for range breaker.Probes {
		b.Admit(b.now)
	}
	if b.Ready(b.now) || b.try(false) {
		t.Fatal("a fourth probe")
	}
	b.pass(breaker.MaxOpen)
	for range breaker.Probes {
		if !b.Ready(b.now) {
			t.Fatal("not ready")
		}
		if _, ok := b.Admit(b.now); !ok {
			t.Fatal("no new probes")
		}
	}
}

// TestOpenTime: it doubles while probes fail, up to a minute, and starts anew after a good minute.
func TestOpenTime(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.trip(t)
	for i, want := range []time.Duration{5, 10, 20, 40, 60, 60, 60, 60, 60, 60} {
		_, until := b.Read(b.now)
		if got := until.Sub(b.now); got != want*time.Second {
			t.Fatalf("opening %d lasts %s, want %ds", i+1, got, want)
		}
		b.pass(want*time.Second - 1)
		if b.Ready(b.now) || b.try(false) {
			t.Fatal("admitted before its time")
		}
		b.pass(1)
		b.try(true)
		b.try(true)
	}
	for _, c := range []struct {
		well time.Duration
		want time.Duration
	}{{time.Second, time.Minute}, {2 * time.Minute, 5 * time.Second}} {
		b.pass(time.Minute)
		b.try(false)
		b.try(false)
		b.want(t, breaker.Closed)
		b.pass(c.well)
		b.trip(t)
		if _, until := b.Read(b.now); until.Sub(b.now) != c.want {
			t.Errorf("well for %s, then open for %s, want %s", c.well, until.Sub(b.now), c.want)
		}
	}
}

func TestJitter(t *testing.T) {
	t.Parallel()
	for random, want := range map[float64]time.Duration{0: 4500 * time.Millisecond, 0.5: 5 * time.Second, 1: 5500 * time.Millisecond} {
		b := newBench()
		b.Rand = func() float64 { return random }
		b.trip(t)
		if _, until := b.Read(b.now); until.Sub(b.now) != want {
			t.Errorf("%v: %s, want %s", random, until.Sub(b.now), want)
		}
	}
}

// TestOldTickets: what was sent before it opened tells nothing about what comes after.
func TestOldTickets(t *testing.T) {
	t.Parallel()
	b := newBench()
	var old []breaker.Ticket
	for range 50 {
		ticket, _ := b.Admit(b.now)
		old = append(old, ticket)
	}
	for i := range 25 {
		old[i].Fail(b.now)
	}
	b.want(t, breaker.Open)
	b.pass(breaker.OpenFor)
	for i := 25; i < 50; i++ {
		old[i].Succeed(b.now)
	}
	b.want(t, breaker.HalfOpen)
}

func TestNil(t *testing.T) {
	t.Parallel()
	var b *breaker.Breaker
	ticket, ok := b.Admit(epoch)
	ticket.Fail(epoch)
	if state, _ := b.Read(epoch); !ok || state != breaker.Closed || !b.Ready(epoch) {
		t.Error("a nil breaker holds something back")
	}
}

func BenchmarkAttempt(b *testing.B) {
	var breaker breaker.Breaker
	b.ReportAllocs()
	for b.Loop() {
		now := time.Now()
		ticket, _ := breaker.Admit(now)
		ticket.Succeed(now)
	}
}
