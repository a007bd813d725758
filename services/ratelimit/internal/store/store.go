// Package store is the contract of where accounts are kept: what a backend promises about each operation. Package
// storetest holds every backend to it.
package store

import (
	"context"
	"slices"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

// Store keeps accounts. Every operation is atomic, also among other processes that use the same store. Time is the
// store's own, whatever the caller's clock says. Any error means that the outcome isn't known: the operation may have
// happened, and can be repeated. Safe for concurrent use.
type Store interface {
	// Reserve takes one request, its tokens and one place from every scope that limits them, or nothing at all and says
	// why. Repeating it with an id that was admitted, open or settled, changes nothing and gives the first answer. A
	// reservation that isn't settled within its hold ends by itself: its tokens and its money stay spent, its places are
	// free. The places of a holder that isn't heard of for Silence are free, too. A deferred call takes no place. An attempt
	// that was undone before it came takes nothing, whatever its answer.
	//
	// What is settled and what is reserved of a budget is never more than it, but for overruns, within one period. A budget
	// whose account isn't known is closed: the refusal is Unseeded, its balance too, and Seed opens it. A known account
	// begins every period at zero.
	Reserve(ctx context.Context, c Call) (Answer, error)
	// Settle ends a reservation. What it didn't use comes back, as far as the promise of package bucket allows; what it
	// used beyond is taken, even where there is less. Only the first Settle of an id does anything, and an id that was
	// settled before it was reserved takes nothing when it is. One of an Attempt undoes that attempt alone, as if nobody had
	// made it: what another attempt reserved under the id stays, and those to come reserve anew.
	//
	// Money is settled in the period it was reserved in. After its hold only what a call cost beyond its reservation is
	// charged. Where the store may have lost a reservation it rather charges a cost twice than not at all: that of an id it
	// doesn't know, where the budget was seeded less than Recent ago, or isn't seeded yet, beside the seed then. Settled
	// again, an id is known for KeepMoney.
	Settle(ctx context.Context, s Settlement) error
	// Lease takes back what a holder had of several accounts of one tenant and grants anew, in the order of the request. A
	// sequence that was seen for an account is answered again and changes nothing. What isn't given back counts as spent,
	// and so does all of a grant whose holder isn't heard of for Valid and a margin.
	Lease(ctx context.Context, r Renewal) ([]Grant, error)
	// Seed notes what the ledger says was spent of the period that now is: an account that isn't known is opened with it,
	// one that knows of less is raised to it, and none is ever lowered. A seed of another period is ignored. Where all may
	// have been lost less than Settling before the ledger was asked, an account that isn't known stays closed: the error is
	// a *SettlingError. The store counts from its first operation that writes, and from New in memory.
	Seed(ctx context.Context, s Seed) error
	// Balances tells how the limits of scopes stand, and changes nothing.
	Balances(ctx context.Context, tenant string, scopes []Scope) ([]Balance, error)
	// Alive notes that members of a group live, and returns how many of it were noted within ttl, at least one.
	Alive(ctx context.Context, group string, members []string, ttl time.Duration) (int64, error)
}

const (
	// Silence is how long a holder keeps its places without being heard of.
	Silence = 10 * time.Second
	// Margin is how much longer than the holder itself the store takes a grant for valid.
	Margin = 500 * time.Millisecond
	// Keep is how long a settled reservation is remembered.
	Keep = time.Minute
	// Plenty is what has to be left of a limit for any of it to be granted in advance.
	Plenty = 100
	// PartOfLimit divides the limit: no grant is larger.
	PartOfLimit = 32
	// PartOfLevel divides what is left of it, likewise.
	PartOfLevel = 8
	// KeepMoney is how long a settled reservation of money is remembered; a deferred one at least until its hold ends.
	KeepMoney = 10 * time.Minute
	// Linger is how long a reservation of money is remembered after it ran out, so that it isn't charged twice when it is
	// settled late.
	Linger = 24 * time.Hour
	// Recent is how long after a seed costs of unknown reservations are charged: as long as any may have been open.
	Recent = 49 * time.Hour
	// KeepBudget is how long an account with a budget is remembered without being used; then it is seeded anew.
	KeepBudget = 30 * 24 * time.Hour
	// Settling is how long a store that has lost everything, or is new, opens no budget: the ledger lacks meanwhile what
	// routers are just shipping to it.
	Settling = 2 * time.Second
	// Shipping is how long a cost that was settled may be missing from the ledger.
	Shipping = time.Second
	// MaxMoney is where money ends, in 10^-12 US dollars: nothing is larger.
	MaxMoney = 9_223_372 * 1_000_000_000_000
	// Unknown is the wait told where it depends on others: a place, or what others hold.
	Unknown = time.Second
)

// Limits bound a scope. Zero is no limit.
type Limits struct {
	Requests, Tokens, Concurrency int64
	// Budget is money for each Period, in 10^-12 US dollars. Where there is one, Period is a day, a month or TOTAL.
	Budget int64
	Period ratelimitv1.BudgetPeriod
}

// Scope is one account.
type Scope struct {
	Kind   ratelimitv1.ScopeKind
	ID     string
	Limits Limits
}

// Call is what is to be reserved.
type Call struct {
	ID, Holder, Tenant string
	// Attempt tells attempts to reserve the same call apart, so that each can be undone. The one without a name can't be.
	Attempt string
	Scopes  []Scope
	Tokens  int64
	Hold    time.Duration
	// Cost is the most that it can cost, in 10^-12 US dollars.
	Cost int64
	// Deferred says that somebody else makes the call later: it takes no place.
	Deferred bool
	// Forced says that the call was admitted elsewhere: its money, and nothing else, is taken even where there is less, or
	// where nothing is known.
	Forced bool
}

// HasBudget reports whether money is counted for the call.
func (c Call) HasBudget() bool { return hasBudget(c.Scopes) }

func hasBudget(scopes []Scope) bool {
	for _, s := range scopes {
		if s.Limits.Budget > 0 {
			return true
		}
	}
	return false
}

// Money is the scopes that have a budget.
func Money(scopes []Scope) []Scope {
	return slices.DeleteFunc(slices.Clone(scopes), func(s Scope) bool { return s.Limits.Budget == 0 })
}

// Settlement is what a call used in the end. Unused gives its request back, too, and all of its money.
type Settlement struct {
	ID, Holder, Tenant string
	// Attempt, where there is one, is what is undone, and nothing else; Unused is set then.
	Attempt string
	Scopes  []Scope
	Tokens  int64
	Cost    int64
	Unused  bool
}

// HasBudget reports whether money is counted for the call.
func (s Settlement) HasBudget() bool { return hasBudget(s.Scopes) }

// Paid is what the settled call cost.
func (s Settlement) Paid() int64 {
	if s.Unused {
		return 0
	}
	return s.Cost
}

// Seed is what the ledger says was spent of an account in a period.
type Seed struct {
	Tenant string
	// Scope has the limits in force; the period is that of its budget.
	Scope Scope
	// From is when the period began; the zero time for TOTAL.
	From  time.Time
	Spent int64
	// Age is how long ago the ledger was asked.
	Age time.Duration
	// Final says that nothing is on its way to the ledger: there is none.
	Final bool
}

// SettlingError says that a budget stays closed, since the ledger may lack what the store has lost.
type SettlingError struct {
	// Wait is how long until the ledger can be asked.
	Wait time.Duration
}

func (e *SettlingError) Error() string {
	return "the ledger isn't complete yet: ask it again in " + e.Wait.String()
}

// Settle returns the error of a seed that opens an account of a store which has lost nothing for so long, nil where it may.
func (s Seed) Settle(since time.Duration) error {
	if s.Final || since-s.Age >= Settling {
		return nil
	}
	return &SettlingError{Wait: max(Settling-since, time.Millisecond)}
}

// Requests is how many the settled call counts as.
func (s Settlement) Requests() int64 {
	if s.Unused {
		return 0
	}
	return 1
}

// Balance is how one limit stands. Reset is how long until all of it is there again.
type Balance struct {
	Scope            ratelimitv1.ScopeKind
	Dimension        ratelimitv1.Dimension
	Limit, Remaining int64
	Reset            time.Duration
	// Unseeded says of a budget that nobody knows what was spent of it since From.
	Unseeded bool
	From     time.Time
}

// NoReset is the Reset of a budget that never begins anew.
const NoReset time.Duration = -1

// Refusal is the limit that is in the way and how long. Never says that no wait helps; RetryAfter is zero then where it
// is about money.
type Refusal struct {
	Balance    Balance
	RetryAfter time.Duration
	Never      bool
}

// Answer is a yes, or a no with its Refusal.
type Answer struct {
	Refusal  *Refusal
	Balances []Balance
}

// Renewal is a holder's stock of accounts of one tenant.
type Renewal struct {
	Holder, Tenant string
	Sequence       int64
	Valid          time.Duration
	Stocks         []Stock
}

// Bare is the same renewal without anything given back or wanted: only the places in use.
func (r Renewal) Bare() Renewal {
	bare := make([]Stock, len(r.Stocks))
	for i, s := range r.Stocks {
		bare[i] = Stock{Scope: s.Scope, Places: s.PlacesUsed, PlacesUsed: s.PlacesUsed}
	}
	r.Stocks = bare
	return r
}

// Stock is what is given back of one account (negative: more was spent than was granted) and what is wanted of it.
type Stock struct {
	Scope                    Scope
	Requests, Tokens         int64
	Places, PlacesUsed       int64
	WantRequests, WantTokens int64
}

// Grant is what a holder has of one account now.
type Grant struct {
	Requests, Tokens, Places int64
	// RequestsLeft and TokensLeft are what is left beside it.
	RequestsLeft, TokensLeft int64
	// Returnable is how many tokens spent from earlier grants can still come back.
	Returnable int64
}

// Allowance is how much of n may be granted of a limit of which left is there.
func Allowance(n, limit, left int64) int64 {
	if left < Plenty {
		return 0
	}
	return max(0, min(n, limit/PartOfLimit, left/PartOfLevel))
}

// EachBudget calls f with every budget among balances, which are those of scopes in their order, and its scope.
func EachBudget(scopes []Scope, balances []Balance, f func(s Scope, b Balance)) {
	for _, s := range scopes {
		for _, set := range [...]int64{s.Limits.Requests, s.Limits.Tokens, s.Limits.Concurrency} {
			if set > 0 && len(balances) > 0 {
				balances = balances[1:]
			}
		}
		if s.Limits.Budget > 0 && len(balances) > 0 {
			f(s, balances[0])
			balances = balances[1:]
		}
	}
}
