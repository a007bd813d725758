package guard_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/guard"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shared is a store in memory that stands for one elsewhere: it does what it is asked and, while it is silent, says so to
// nobody.
type shared struct {
	*memory.Store

	mu     sync.Mutex
	silent bool
}

func (s *shared) silence(silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = silent
}

// lost waits for the end of a context while the store is silent.
func (s *shared) lost(ctx context.Context) error {
	s.mu.Lock()
	silent := s.silent
	s.mu.Unlock()
	if !silent {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *shared) Reserve(ctx context.Context, c store.Call) (store.Answer, error) {
	a, _ := s.Store.Reserve(ctx, c)
	return a, s.lost(ctx)
}

func (s *shared) Settle(ctx context.Context, x store.Settlement) error {
	if err := s.lost(ctx); err != nil {
		return err
	}
	return s.Store.Settle(ctx, x)
}

func (s *shared) Lease(ctx context.Context, r store.Renewal) ([]store.Grant, error) {
	g, _ := s.Store.Lease(ctx, r)
	return g, s.lost(ctx)
}

func (s *shared) Alive(ctx context.Context, group string, members []string, ttl time.Duration) (int64, error) {
	if err := s.lost(ctx); err != nil {
		return 0, err
	}
	return s.Store.Alive(ctx, group, members, ttl)
}

func inBubble(t *testing.T, run func(t *testing.T, g *guard.Guard, s *shared)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shared{Store: memory.New(time.Now)}
		g := guard.New(guard.Options{
			Remote: s, Local: memory.New(time.Now), Timeout: 200 * time.Millisecond, Instances: 1, Name: "i",
			Grace:  30 * time.Second,
			Logger: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); g.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		synctest.Wait()
		run(t, g, s)
		time.Sleep(time.Second) // what nobody waits for any more ends by itself
	})
}

var scopes = []store.Scope{{
	Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ID: "k", Limits: store.Limits{Requests: 6000, Tokens: 6000, Concurrency: 200},
}}

func call(id string) store.Call {
	return store.Call{ID: id, Holder: "h", Tenant: "a", Scopes: scopes, Tokens: 100, Hold: time.Hour}
}

func settlement(id string) store.Settlement {
	return store.Settlement{ID: id, Holder: "h", Tenant: "a", Scopes: scopes, Tokens: 100}
}

func remaining(t *testing.T, s *shared) int64 {
	t.Helper()
	b, err := s.Balances(t.Context(), "a", scopes)
	if err != nil {
		t.Fatal(err)
	}
	return b[2].Remaining
}

// Where nobody is answered any more, those who wait are decided about here, and what was asked in vain is taken back once
// the store answers again.
func TestInVain(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guard.Guard, s *shared) {
		s.silence(true)
		began := time.Now()
		var wg sync.WaitGroup
		for _, id := range []string{"1", "2", "3"} {
			wg.Go(func() {
				a, alone, err := g.Reserve(t.Context(), call(id))
				if err != nil || !alone || a.Refusal != nil {
					t.Errorf("%v %v %v", a, alone, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 65*time.Millisecond || !g.Degraded() {
			t.Errorf("the decisions took %v, degraded %v", took, g.Degraded())
		}
		began = time.Now()
		if _, alone, err := g.Reserve(t.Context(), call("4")); err != nil || !alone || time.Since(began) > 0 {
			t.Errorf("%v %v after %v", alone, err, time.Since(began))
		}
		if n := remaining(t, s); n != 197 {
			t.Errorf("%d places left, want those of three calls taken in vain", n)
		}
		s.silence(false)
		time.Sleep(2 * time.Second)
		if n := remaining(t, s); n != 200 || g.Degraded() {
			t.Errorf("%d places left, degraded %v", n, g.Degraded())
		}
		if err := g.Settle(t.Context(), settlement("4")); err != nil {
			t.Errorf("settling what was decided alone: %v", err)
		}
	})
}

// One late answer among others is nobody's leave to decide here: both together would allow more than the limit.
func TestLateAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guard.Guard, s *shared) {
		s.silence(true)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, alone, err := g.Reserve(t.Context(), call("late")); alone || !errors.Is(err, guard.ErrLate) {
				t.Errorf("%v %v", alone, err)
			}
		}()
		synctest.Wait()
		s.silence(false)
		for i := range 20 {
			time.Sleep(15 * time.Millisecond)
			if _, alone, err := g.Reserve(t.Context(), call(strconv.Itoa(i))); alone || err != nil {
				t.Fatal(alone, err)
			}
		}
		<-done
		time.Sleep(time.Second)
		if n := remaining(t, s); n != 180 {
			t.Errorf("%d places left, want all but twenty: the late call's is taken back", n)
		}
	})
}

func TestSettleWaitsForTheStore(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guard.Guard, s *shared) {
		if _, alone, err := g.Reserve(t.Context(), call("1")); alone || err != nil {
			t.Fatal(alone, err)
		}
		s.silence(true)
		if err := g.Settle(t.Context(), settlement("1")); !errors.Is(err, guard.ErrUnavailable) {
			t.Errorf("%v", err)
		}
		s.silence(false)
		time.Sleep(time.Second)
		if err := g.Settle(t.Context(), settlement("1")); err != nil {
			t.Error(err)
		}
		if n := remaining(t, s); n != 200 {
			t.Errorf("%d places left", n)
		}
	})
}

// Alone nothing is granted in advance, and places in use count.
func TestLeaseAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guard.Guard, s *shared) {
		s.silence(true)
		grants, alone, err := g.Lease(t.Context(), store.Renewal{
			Holder: "h", Tenant: "a", Sequence: 1, Valid: time.Second,
			Stocks: []store.Stock{{Scope: scopes[0], WantRequests: 50, WantTokens: 50, Places: 50, PlacesUsed: 20}},
		})
		if err != nil || !alone || grants[0].Requests != 0 || grants[0].Tokens != 0 || grants[0].Places != 20 {
			t.Errorf("%+v %v %v", grants, alone, err)
		}
	})
}

// A caller that leaves teaches nothing about the store.
func TestCallerLeaves(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guard.Guard, s *shared) {
		s.silence(true)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 10 {
			if _, _, err := g.Reserve(ctx, call("x")); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
		if g.Degraded() {
			t.Error("degraded")
		}
	})
}
