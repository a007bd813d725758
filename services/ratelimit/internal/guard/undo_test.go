package guard_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/guard"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/memory"
)

// tardy is a shared store that answers the first reservation after it was made late to nobody: it reserves at once, or only
// when nobody waits any more.
type tardy struct {
	*shared

	late   atomic.Bool // the next one is
	behind bool
}

func (s *tardy) Reserve(ctx context.Context, c store.Call) (store.Answer, error) {
	if !s.late.CompareAndSwap(true, false) {
		return s.shared.Reserve(ctx, c)
	}
	if !s.behind {
		_, _ = s.shared.Reserve(ctx, c)
	}
	<-ctx.Done()
	if s.behind {
		_, _ = s.shared.Reserve(context.WithoutCancel(ctx), c)
	}
	return store.Answer{}, ctx.Err()
}

// What was asked in vain is never taken back from a call that was admitted by another answer under the same id.
func TestLateAndAdmitted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		behind  bool          // the late one happens when nobody waits any more
		cancel  time.Duration // the caller leaves, and repeats; else it stays and the guard insists
		pause   time.Duration // before it repeats
		another bool          // it repeats elsewhere
	}{
		{name: "insisted"},
		{name: "insisted, and the late one happens behind it", behind: true},
		{name: "repeated at once", cancel: 10 * time.Millisecond},
		{name: "repeated at once, and the late one happens behind it", behind: true, cancel: 10 * time.Millisecond},
		{name: "repeated when it was taken back", cancel: 10 * time.Millisecond, pause: 2 * time.Second},
		{name: "repeated when it was taken back, late", behind: true, cancel: 10 * time.Millisecond, pause: 2 * time.Second},
		{name: "repeated elsewhere", cancel: 10 * time.Millisecond, another: true},
		{name: "repeated elsewhere when it was taken back", cancel: 10 * time.Millisecond, pause: 2 * time.Second, another: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &tardy{shared: &shared{Store: memory.New(time.Now)}, behind: c.behind}
				first := guarding(t, s, "i")
				again := first
				if c.another {
					again = guarding(t, s, "j")
				}
				open(t, first)
				s.late.Store(true)
				if c.cancel > 0 {
					ctx, cancel := context.WithTimeout(t.Context(), c.cancel)
					if _, _, err := first.Reserve(ctx, costly("1", dollar)); err == nil {
						t.Error("answered")
					}
					cancel()
					time.Sleep(c.pause)
				}
				a, alone, err := again.Reserve(t.Context(), costly("1", dollar))
				if err != nil || alone || a.Refusal != nil {
					t.Fatal(a, alone, err)
				}
				time.Sleep(3 * time.Second) // whatever is taken back is by now
				if got := left(t, s.shared); got != 5*dollar {
					t.Errorf("%d left while the call is under way", got)
				}
				if err := again.Settle(t.Context(), paid("1", dollar/2)); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				if got := left(t, s.shared); got != 5*dollar+dollar/2 {
					t.Errorf("%d left in the end", got)
				}
			})
		})
	}
}

// guarding runs a guard over a store until the test ends.
func guarding(t *testing.T, s store.Store, name string) *guard.Guard {
	t.Helper()
	g := guard.New(guard.Options{
		Remote: s, Local: memory.New(time.Now), Timeout: 200 * time.Millisecond, Instances: 1, Name: name,
		Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return g
}
