// Package seed opens budgets: it asks the ledger what was spent of those that nobody knows, and tells the accounts. Until
// then they are closed.
//
// Where the accounts may have been lost lately, or were never there, the ledger is asked once more, after store.Settling:
// routers have shipped by then what they had written down. What the ledger can't have is what was still under way when the
// accounts were lost, and is open when a budget opens again: its reservations are lost with the accounts, so that others
// may spend the same money until it is settled, which charges it. By so much, at most, a loss lets a budget be overrun.
package seed

import (
	"context"
	"log/slog"
	"sync"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Account is whose spending is asked for.
type Account struct {
	Kind       ratelimitv1.ScopeKind
	Tenant, ID string
}

// Ledger knows what was spent. Safe for concurrent use.
type Ledger interface {
	// Spent returns what each account has spent since a time, in 10^-12 US dollars and in their order; since ever where the
	// time is zero. What has no price counts for nothing.
	Spent(ctx context.Context, from time.Time, accounts []Account) ([]int64, error)
}

// Accounts are where budgets are kept.
type Accounts interface {
	// Seed notes what was spent, as store.Store does.
	Seed(ctx context.Context, s store.Seed) error
}

// Options configure a Seeder.
type Options struct {
	// Ledger is asked; nil is a ledger of which nothing was ever spent.
	Ledger   Ledger
	Accounts Accounts
	Logger   *slog.Logger
}

const (
	// atOnce is how many accounts the ledger takes in one question, askTime how long that may take, and pause how soon the
	// next one follows one that failed.
	atOnce  = 2000
	askTime = 10 * time.Second
	pause   = 500 * time.Millisecond
)

// again is when the ledger is asked again after it opened a budget: routers write their rows down a little behind, and
// what was under way at the time is in none yet. Whatever it has more of by then is charged.
var again = [...]time.Duration{15 * time.Second, 2 * time.Minute, 15 * time.Minute}

// Seeder opens budgets. Run it. Safe for concurrent use.
type Seeder struct {
	Options
	// One lane for each kind of period: a question has one start, and one kind holds up no other.
	lanes [store.Periods + 1]*lane
}

// New returns a Seeder.
func New(o Options) *Seeder {
	s := &Seeder{Options: o}
	for i := range s.lanes {
		s.lanes[i] = newLane(s)
	}
	return s
}

// Run asks the ledger until ctx ends.
func (s *Seeder) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, l := range s.lanes {
		all.Go(func() { l.run(ctx) })
	}
	all.Wait()
}

// Open begins to open budgets that aren't known, and waits for it until ctx ends. It reports whether all were opened, and
// otherwise how long to wait where that is known.
func (s *Seeder) Open(ctx context.Context, list []store.Seed) (opened bool, wait time.Duration) {
	asked := make([]*question, len(list))
	for i, one := range list {
		asked[i] = s.lanes[one.Scope.Limits.Period].ask(one)
	}
	for _, q := range asked {
		select {
		case <-q.done:
			if !q.opened {
				return false, max(0, time.Until(q.notYet))
			}
		case <-ctx.Done():
			return false, 0
		}
	}
	return true, 0
}

// Unknown are the budgets among balances that have to be opened, which are those of scopes in their order.
func Unknown(tenant string, scopes []store.Scope, balances []store.Balance) (list []store.Seed) {
	store.EachBudget(scopes, balances, func(s store.Scope, b store.Balance) {
		if b.Unseeded {
			list = append(list, store.Seed{Tenant: tenant, Scope: s, From: b.From})
		}
	})
	return list
}
