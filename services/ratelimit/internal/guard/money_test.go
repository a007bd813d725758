package guard_test

import (
	"strconv"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/guard"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

const dollar = 1_000_000_000_000

var budgeted = []store.Scope{{
	Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ID: "k",
	Limits: store.Limits{Requests: 6000, Budget: 10 * dollar, Period: store.Total},
}}

func costly(id string, cost int64) store.Call {
	return store.Call{ID: id, Holder: "h", Tenant: "a", Scopes: budgeted, Cost: cost, Hold: time.Hour}
}

func paid(id string, cost int64) store.Settlement {
	return store.Settlement{ID: id, Holder: "h", Tenant: "a", Scopes: budgeted, Cost: cost}
}

// left is what the shared store says is left of the budget.
func left(t *testing.T, s *shared) int64 {
	t.Helper()
	b, err := s.Balances(t.Context(), "a", budgeted)
	if err != nil {
		t.Fatal(err)
	}
	return b[len(b)-1].Remaining
}

// open seeds the shared store and lets the guard hear how the budget stands.
func open(t *testing.T, g *guard.Guard) {
	t.Helper()
	time.Sleep(store.Settling)
	if err := g.Seed(t.Context(), store.Seed{Tenant: "a", Scope: budgeted[0], Spent: 3 * dollar}); err != nil {
		t.Fatal(err)
	}
	if a, alone, err := g.Reserve(t.Context(), costly("first", dollar)); err != nil || alone || a.Refusal != nil {
		t.Fatal(a, alone, err)
	}
}

func admit(t *testing.T, g *guard.Guard, id string, cost int64) bool {
	t.Helper()
	a, alone, err := g.Reserve(t.Context(), costly(id, cost))
	if err != nil || !alone {
		t.Fatal(alone, err)
	}
	return a.Refusal == nil
}

// Alone an instance spends its part of what was left, for a while; afterwards the shared store knows of it all.
func TestBudgetAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guard.Guard, s *shared) {
		if _, err := s.Alive(t.Context(), "instances", []string{"another"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // there are two of them
		open(t, g)
		s.silence(true)
		for i := range 3 { // 6 dollars are left, 3 of them here
			if !admit(t, g, strconv.Itoa(i), dollar) {
				t.Fatalf("call %d is refused", i)
			}
		}
		if admit(t, g, "x", 1) {
			t.Error("more than this instance's part is spent")
		}
		if err := g.Settle(t.Context(), paid("0", dollar/2)); err != nil {
			t.Error(err)
		}
		if !admit(t, g, "3", dollar/2) {
			t.Error("what came back can't be spent")
		}
		s.silence(false)
		time.Sleep(2 * time.Second)
		if got := left(t, s); got != 3*dollar || g.Degraded() {
			t.Errorf("%d left, degraded %v", got, g.Degraded())
		}
		for _, id := range []string{"1", "2", "3"} {
			if err := g.Settle(t.Context(), paid(id, dollar/4)); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Second)
		if got := left(t, s); got != 6*dollar-5*dollar/4 {
			t.Errorf("%d left", got)
		}
	})
}

// After the grace a budget is closed, other limits aren't.
func TestGraceEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guard.Guard, s *shared) {
		open(t, g)
		s.silence(true)
		if !admit(t, g, "1", 1) {
			t.Error("refused at once")
		}
		time.Sleep(29 * time.Second)
		if !admit(t, g, "2", 1) {
			t.Error("refused within the grace")
		}
		time.Sleep(time.Second)
		a, alone, err := g.Reserve(t.Context(), costly("3", 1))
		if err != nil || !alone || a.Refusal == nil || !a.Refusal.Balance.Unseeded || a.Refusal.RetryAfter != store.Unknown {
			t.Errorf("%+v %v %v", a.Refusal, alone, err)
		}
		if a, _, err := g.Reserve(t.Context(), call("4")); err != nil || a.Refusal != nil {
			t.Errorf("a call without a budget: %+v %v", a.Refusal, err)
		}
	})
}

// Of a budget that this instance has never seen it spends nothing alone, and nobody can open it here.
func TestNeverSeen(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guard.Guard, s *shared) {
		s.silence(true)
		a, alone, err := g.Reserve(t.Context(), costly("1", 1))
		if err != nil || !alone || a.Refusal == nil || !a.Refusal.Balance.Unseeded {
			t.Errorf("%+v %v %v", a.Refusal, alone, err)
		}
		if err := g.Seed(t.Context(), store.Seed{Tenant: "a", Scope: budgeted[0]}); err == nil {
			t.Error("opened alone")
		}
	})
}
