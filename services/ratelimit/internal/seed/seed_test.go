package seed_test

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
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/seed"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ledger takes a second for an answer: of every account the same.
type ledger struct {
	mu        sync.Mutex
	spent     int64
	fails     bool
	questions [][]seed.Account
}

func (l *ledger) set(spent int64, fails bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent, l.fails = spent, fails
}

// asked is how many questions there were.
func (l *ledger) asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.questions)
}

func (l *ledger) Spent(ctx context.Context, _ time.Time, accounts []seed.Account) ([]int64, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.questions = append(l.questions, accounts)
	if l.fails {
		return nil, errors.New("down")
	}
	list := make([]int64, len(accounts))
	for i := range list {
		list[i] = l.spent
	}
	return list, nil
}

// accounts note what they are told.
type accounts struct {
	mu    sync.Mutex
	seeds []store.Seed
	born  time.Time // when they were lost; never where it is zero
}

func (a *accounts) Seed(_ context.Context, s store.Seed) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := s.Settle(time.Since(a.born)); err != nil {
		return err
	}
	a.seeds = append(a.seeds, s)
	return nil
}

// lose has them lost now.
func (a *accounts) lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.born = time.Now()
}

func (a *accounts) loseAfter(d time.Duration) {
	time.Sleep(d)
	a.lose()
}

// all is what was told.
func (a *accounts) all() []store.Seed {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seeds
}

func budget(id string, p ratelimitv1.BudgetPeriod) store.Seed {
	return store.Seed{Tenant: "a", Scope: store.Scope{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ID: id, Limits: store.Limits{Budget: 1, Period: p}}}
}

func inBubble(t *testing.T, l seed.Ledger, run func(t *testing.T, s *seed.Seeder, a *accounts)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &accounts{}
		s := seed.New(seed.Options{Ledger: l, Accounts: a, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		synctest.Wait()
		run(t, s, a)
	})
}

// opened asks for several at once, and waits as long as callers do and then as long as it takes.
func opened(t *testing.T, s *seed.Seeder, within time.Duration, list ...store.Seed) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	ok, _ := s.Open(ctx, list)
	return ok
}

// Who comes while an account is asked about waits for the same answer; all others for the next, together.
func TestOneQuestion(t *testing.T) {
	l := &ledger{spent: 7}
	inBubble(t, l, func(t *testing.T, s *seed.Seeder, a *accounts) {
		began := time.Now()
		if opened(t, s, 20*time.Millisecond, budget("k", store.Day)) || time.Since(began) != 20*time.Millisecond {
			t.Errorf("opened after %v", time.Since(began))
		}
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				if !opened(t, s, time.Minute, budget("k", store.Day), budget(strconv.Itoa(i), store.Day), budget("m", store.Month)) {
					t.Error("not opened")
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if l.asked() != 3 || len(a.all()) != 102 || a.all()[0].Spent != 7 {
			t.Errorf("%d questions, %d seeds", l.asked(), len(a.all()))
		}
	})
}

// A ledger that fails leaves budgets closed, and is asked again with a pause.
func TestLedgerFails(t *testing.T) {
	l := &ledger{fails: true}
	inBubble(t, l, func(t *testing.T, s *seed.Seeder, a *accounts) {
		if opened(t, s, time.Minute, budget("k", store.Total)) || len(a.all()) != 0 {
			t.Error("opened")
		}
		l.set(1, false)
		began := time.Now()
		if !opened(t, s, time.Minute, budget("k", store.Total)) || time.Since(began) != 1500*time.Millisecond {
			t.Errorf("after %v", time.Since(began))
		}
	})
}

// What the ledger hears of a little later counts, too.
func TestAgain(t *testing.T) {
	l := &ledger{spent: 1}
	inBubble(t, l, func(t *testing.T, s *seed.Seeder, a *accounts) {
		if !opened(t, s, time.Minute, budget("k", store.Day)) {
			t.Fatal("not opened")
		}
		l.set(2, false)
		time.Sleep(20 * time.Second)
		l.set(3, true)
		time.Sleep(3 * time.Minute)
		l.set(4, false)
		time.Sleep(time.Hour)
		if seeds := a.all(); len(seeds) != 4 || seeds[1].Spent != 2 || seeds[3].Spent != 4 {
			t.Errorf("%+v", seeds)
		}
	})
}

// After a loss the ledger is asked once for each account, and once more when it is complete: an answer that it began before
// then opens nothing.
func TestSettling(t *testing.T) {
	l := &ledger{spent: 7}
	inBubble(t, l, func(t *testing.T, s *seed.Seeder, a *accounts) {
		a.lose()
		ok, wait := s.Open(t.Context(), []store.Seed{budget("k", store.Day)})
		if ok || wait != store.Settling-time.Second {
			t.Errorf("opened %v, to wait %v", ok, wait)
		}
		for range 9 {
			if opened(t, s, time.Minute, budget("k", store.Day)) {
				t.Error("opened")
			}
			time.Sleep(wait / 10)
		}
		if l.asked() != 1 {
			t.Errorf("%d questions", l.asked())
		}
		time.Sleep(wait/10 - time.Millisecond)
		go a.loseAfter(500 * time.Millisecond)
		time.Sleep(2 * time.Millisecond)
		if opened(t, s, time.Minute, budget("k", store.Day)) {
			t.Error("opened by an answer from before the loss")
		}
		time.Sleep(store.Settling)
		if !opened(t, s, time.Minute, budget("k", store.Day)) || l.asked() != 3 || len(a.all()) != 1 {
			t.Errorf("not opened, %d questions", l.asked())
		}
	})
}

func TestNoLedger(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *seed.Seeder, a *accounts) {
		if !opened(t, s, time.Second, budget("k", store.Day)) || a.all()[0].Spent != 0 {
			t.Errorf("%+v", a.all())
		}
		time.Sleep(time.Hour)
		if n := len(a.all()); n != 1 {
			t.Errorf("%d seeds", n)
		}
	})
}
