package queue_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// server is a self-hosted one. It takes a line where it has room to spare for it, and else refuses it at once.
type server struct {
	// free is how many lines it takes beside those who wait, at a time since the beginning.
	free func(time.Duration) int
	// thinks is how long a line takes, more or less.
	thinks time.Duration

	mu               sync.Mutex
	busy             int
	answered, denied int
}

func (s *server) ask(ctx context.Context, _ *store.Batch, _ int64) queue.Answer {
	after(ctx, 2*time.Millisecond)
	s.mu.Lock()
	if s.busy >= s.free(time.Since(bubbleStart())) {
		s.denied++
		s.mu.Unlock()
		a := bad(queue.Full)
		a.After = time.Second
		return a
	}
	s.busy++
	s.mu.Unlock()
	after(ctx, s.thinks-s.thinks/5+rand.N(2*s.thinks/5))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.answered++
	return good()
}

// waves is what is free of a server whose other calls come and go: all in a step, or a part of it at random.
func waves(most, least int, every time.Duration) func(time.Duration) int {
	return func(at time.Duration) int {
		if at/every%2 == 1 {
			return least
		}
		return most
	}
}

func noise(most, swing int) func(time.Duration) int {
	values := make([]int, 10_000)
	for i := range values {
		values[i] = max(0, most-rand.N(swing+1))
	}
	return func(at time.Duration) int { return values[int(at/(200*time.Millisecond))%len(values)] }
}

// possible is how many lines the server could answer in a while, of a batch that may have so many under way.
func (s *server) possible(most int, within time.Duration) float64 {
	var free time.Duration
	for at := time.Duration(0); at < within; at += 10 * time.Millisecond {
		free += time.Duration(min(most, s.free(at))) * 10 * time.Millisecond
	}
	return float64(free) / float64(s.thinks)
}

// TestSpareRoom: a batch uses the most of a server that others use as well, however their part of it changes, and asks in
// vain now and then only.
func TestSpareRoom(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("ten simulations of forty seconds")
	}
	const within = 40 * time.Second
	steady := func(time.Duration) int { return 15 }
	for _, test := range []struct {
		name        string
		free        func(time.Duration) int
		thinks      time.Duration
		concurrency int
		// least is the part of what is possible.
		least float64
	}{
		{"steady", steady, 500 * time.Millisecond, 32, 0.95},
		{"steady, slow lines", steady, 4 * time.Second, 32, 0.9},
		{"steady, enough for all", steady, 500 * time.Millisecond, 8, 0.95},
		{"waves to nothing", waves(15, 0, 5*time.Second), 500 * time.Millisecond, 32, 0.55},
		{"waves to nothing, few at once", waves(15, 0, 5*time.Second), 500 * time.Millisecond, 8, 0.55},
		{"long waves", waves(15, 3, 20*time.Second), 500 * time.Millisecond, 32, 0.9},
		{"long waves, slow lines", waves(15, 3, 20*time.Second), 4 * time.Second, 32, 0.8},
		{"short waves", waves(15, 5, time.Second), 500 * time.Millisecond, 32, 0.65},
		{"noise", noise(15, 6), 500 * time.Millisecond, 32, 0.8},
		{"much noise", noise(15, 15), 500 * time.Millisecond, 32, 0.55},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &server{free: test.free, thinks: test.thinks}
			bubble(t, s.ask, func(w *world) {
				b := w.batch("acme", 1300, func(b *store.Batch) { b.Concurrency = test.concurrency })
				w.at(within, b)
				s.mu.Lock()
				defer s.mu.Unlock()
				could := s.possible(test.concurrency, within)
				part, denied := float64(s.answered)/could, float64(s.denied)/within.Seconds()
				t.Logf("%s: %.1f of %.1f lines/s (%.0f%%), %.1f refusals/s", test.name, float64(s.answered)/within.Seconds(), could/within.Seconds(), 100*part, denied)
				if part < test.least || denied > 15 {
					t.Error("that is too little, or asks too often")
				}
			}, func(o *queue.Options) { o.Concurrency, o.MaxLines = test.concurrency, 1300 })
		})
	}
}

// TestNoRoom: pauses stay short while there is no room at all, and when there is some again it is used.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	const away = 10 * time.Minute
	s := &server{thinks: time.Second, free: func(at time.Duration) int {
		if at < away {
			return 0
		}
		return 100
	}}
	bubble(t, s.ask, func(w *world) {
		b := w.batch("acme", 40)
		w.at(away, b)
		s.mu.Lock()
		n := s.denied
		s.mu.Unlock()
		if n < 200 || n > 650 {
			t.Errorf("asked %d times", n)
		}
		// Three seconds at most until it is noticed, and some until all places are used.
		expect(t, w.at(18*time.Second, b), completed, store.Counts{Total: 40, Completed: 40})
	})
}
