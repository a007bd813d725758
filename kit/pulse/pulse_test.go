package pulse_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate-mesh/headgate/kit/pulse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs a test with a clock of its own; the Pulse's last look happens before it ends.
func bubble(t *testing.T, o pulse.Options, run func(t *testing.T, p *pulse.Pulse)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run(t, pulse.New(o))
		time.Sleep(time.Second)
	})
}

func TestSilence(t *testing.T) {
	var told atomic.Int64
	bubble(t, pulse.Options{Lost: func(string) { told.Add(1) }}, func(t *testing.T, p *pulse.Pulse) {
		began := time.Now()
		ctx, q := p.Ask(t.Context(), time.Second)
		other, q2 := p.Ask(t.Context(), time.Second)
		<-ctx.Done()
		<-other.Done()
		if took := time.Since(began); took < 45*time.Millisecond || took > 55*time.Millisecond {
			t.Errorf("lost after %s", took)
		}
		q.Left()
		q2.Left()
		synctest.Wait()
		if !p.Gone() || told.Load() != 1 {
			t.Errorf("gone %t, told %d times", p.Gone(), told.Load())
		}
		if !p.Back() || p.Back() || p.Gone() {
			t.Error("it isn't back, or twice")
		}
	})
}

// One that waits too long proves nothing while others are answered.
func TestOneIsStuck(t *testing.T) {
	bubble(t, pulse.Options{}, func(t *testing.T, p *pulse.Pulse) {
		ctx, stuck := p.Ask(t.Context(), 200*time.Millisecond)
		for range 20 {
			_, q := p.Ask(t.Context(), time.Second)
			time.Sleep(15 * time.Millisecond)
			q.Answered()
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || p.Gone() {
			t.Errorf("%v, gone %t", ctx.Err(), p.Gone())
		}
		stuck.Left()
	})
}

func TestLate(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		gone  bool
	}{"late": {26 * time.Millisecond, true}, "in time": {14 * time.Millisecond, false}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, pulse.Options{Late: 4}, func(t *testing.T, p *pulse.Pulse) {
				for range 16 {
					_, q := p.Ask(t.Context(), time.Second)
					time.Sleep(c.takes)
					q.Answered()
				}
				if p.Gone() != c.gone {
					t.Errorf("gone %t", p.Gone())
				}
			})
		})
	}
}

// One slow moment proves nothing, however many wait in it.
func TestOneLateBurst(t *testing.T) {
	bubble(t, pulse.Options{Late: 4}, func(t *testing.T, p *pulse.Pulse) {
		var burst []*pulse.Question
		for range 50 {
			_, q := p.Ask(t.Context(), time.Second)
			burst = append(burst, q)
		}
		time.Sleep(40 * time.Millisecond)
		for _, q := range burst {
			q.Answered()
		}
		if p.Gone() {
			t.Error("lost")
		}
	})
}

func TestFailures(t *testing.T) {
	bubble(t, pulse.Options{}, func(t *testing.T, p *pulse.Pulse) {
		fail := func() {
			_, q := p.Ask(t.Context(), time.Second)
			q.Failed(errors.New("refused"))
		}
		fail()
		fail()
		_, q := p.Ask(t.Context(), time.Second)
		q.Answered()
		fail()
		fail()
		if p.Gone() {
			t.Error("two failures in a row")
		}
		fail()
		if !p.Gone() {
			t.Error("three failures in a row")
		}
	})
}

// The caller's leaving ends the wait and proves nothing.
func TestCallerLeaves(t *testing.T) {
	bubble(t, pulse.Options{}, func(t *testing.T, p *pulse.Pulse) {
		parent, cancel := context.WithCancel(t.Context())
		ctx, q := p.Ask(parent, time.Second)
		cancel()
		<-ctx.Done()
		q.Left()
		time.Sleep(time.Second)
		if p.Gone() {
			t.Error("gone")
		}
	})
}

func BenchmarkAsk(b *testing.B) {
	p := pulse.New(pulse.Options{})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, q := p.Ask(context.Background(), time.Second)
			q.Answered()
		}
	})
}
