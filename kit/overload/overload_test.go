package overload_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate-mesh/headgate/kit/overload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCap(t *testing.T) {
	t.Parallel()
	l := overload.New(overload.Options{Cap: 10})
	var in atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if l.Enter(overload.Interactive) {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if n, limit, refused := l.Read(); in.Load() != 10 || n != 10 || limit != 10 || refused != 90 {
		t.Errorf("%d let in, %d under way of %d, %d refused", in.Load(), n, limit, refused)
	}
	l.Leave()
	if l.Enter(overload.Batch) || !l.Enter(overload.Interactive) {
		t.Error("batch is let in before somebody who waits")
	}
}

// run runs a limiter of 1000 with scripted waits.
func run(t *testing.T, test func(t *testing.T, l *overload.Limiter, waits *atomic.Uint64)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waits atomic.Uint64
		var told []bool // in the limiter's goroutine, and after its end
		l := overload.New(overload.Options{
			Cap: 1000, Waits: func() float64 { return float64(waits.Load()) / 100 },
			Changed: func(crowded bool, _ int64) { told = append(told, crowded) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = l.Run(ctx) }()
		test(t, l, &waits)
		time.Sleep(5 * time.Second) // calm again
		cancel()
		<-done
		if len(told) != 2 || !told[0] || told[1] {
			t.Errorf("told %v, want once that it is crowded, and once that it isn't any more", told)
		}
	})
}

func TestCrowded(t *testing.T) {
	run(t, func(t *testing.T, l *overload.Limiter, waits *atomic.Uint64) {
		for range 500 {
			l.Enter(overload.Interactive)
		}
		waits.Store(100)
		time.Sleep(150 * time.Millisecond)
		if _, limit, _ := l.Read(); limit != 1000 {
			t.Errorf("one crowded interval moved the limit to %d", limit)
		}
		time.Sleep(100 * time.Millisecond)
		if _, limit, _ := l.Read(); limit != 425 {
			t.Errorf("the limit is %d, want less than is under way", limit)
		}
		if l.Enter(overload.Interactive) || l.Spare() {
			t.Error("more is let in than can be carried")
		}
		for range 500 {
			l.Leave()
		}
		time.Sleep(10 * time.Second)
		if _, limit, _ := l.Read(); limit != 64 {
			t.Errorf("the limit fell to %d, want the floor", limit)
		}
		waits.Store(5)
		time.Sleep(5 * time.Second)
		if _, limit, _ := l.Read(); limit != 1000 || !l.Spare() {
			t.Errorf("after five calm seconds the limit is %d", limit)
		}
	})
}

func TestBatchWaitsForCalm(t *testing.T) {
	run(t, func(t *testing.T, l *overload.Limiter, waits *atomic.Uint64) {
		if !l.Enter(overload.Batch) {
			t.Error("batch isn't let in")
		}
		waits.Store(50)
		time.Sleep(250 * time.Millisecond)
		waits.Store(0)
		time.Sleep(500 * time.Millisecond)
		if l.Enter(overload.Batch) || !l.Enter(overload.Interactive) {
			t.Error("batch doesn't wait for calm")
		}
		time.Sleep(time.Second)
		if !l.Enter(overload.Batch) {
			t.Error("batch waits for ever")
		}
	})
}

func BenchmarkEnter(b *testing.B) {
	l := overload.New(overload.Options{Cap: 1000})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if l.Enter(overload.Interactive) {
				l.Leave()
			}
		}
	})
}
