package guard

import (
	"context"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// reserveAlone decides without the shared store. Budgets are spent for a while only, and what is spent of them is told to
// the shared store before it is asked again.
func (g *Guard) reserveAlone(ctx context.Context, c store.Call) (store.Answer, error) {
	if !c.HasBudget() || c.Cost == 0 {
		return g.Local.Reserve(ctx, c)
	}
	if g.Grace < time.Millisecond || time.Since(g.lostSince()) >= g.Grace {
		return closed(c), nil
	}
	a, err := g.Local.Reserve(ctx, c)
	if err == nil && a.Refusal == nil {
		told := c
		told.ID, told.Scopes, told.Forced = aloneID(c.ID), store.Money(c.Scopes), true
		g.owed.add(debt{call: &told})
	}
	return a, err
}

// aloneID is what a call that was admitted alone is called in the shared store: under its own name it may stand there, too, by
// a repetition that another instance answered.
func aloneID(id string) string { return "alone/" + id }

// persistence is how long the shared store is asked about money though it is taken for lost.
const persistence = 5 * time.Second

// insist asks the shared store about money though it is taken for lost: where it is merely late, others spend there what
// was last seen here. It costs a call as long as a probe does.
func (g *Guard) insist(ctx context.Context, c store.Call) (store.Answer, error) {
	if time.Since(g.lostSince()) >= persistence {
		return store.Answer{}, errAlone
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	tried := attempt(c)
	a, err := g.Remote.Reserve(ctx, tried)
	if err != nil {
		g.takeBack(tried)
	}
	return a, err
}

// lostSince is when the shared store was lost: now, where nobody has noted it.
func (g *Guard) lostSince() time.Time {
	g.lost.CompareAndSwap(0, time.Now().UnixNano())
	return time.Unix(0, g.lost.Load())
}

// settleAlone ends a reservation that was made alone, and tells the shared store what it cost.
func (g *Guard) settleAlone(ctx context.Context, s store.Settlement) error {
	if err := g.Local.Settle(ctx, s); err != nil || !s.HasBudget() {
		return err
	}
	s.ID, s.Scopes, s.Tokens = aloneID(s.ID), store.Money(s.Scopes), 0 // its requests and tokens were never taken there
	g.owed.add(debt{settlement: s})
	return nil
}

// closed is the answer of a budget that nobody can look into.
func closed(c store.Call) store.Answer {
	s := store.Money(c.Scopes)[0]
	b := store.Balance{
		Scope: s.Kind, Dimension: ratelimitv1.Dimension_DIMENSION_BUDGET, Limit: s.Limits.Budget, Reset: store.NoReset, Unseeded: true,
	}
	return store.Answer{Refusal: &store.Refusal{Balance: b, RetryAfter: store.Unknown}}
}
