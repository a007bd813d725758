package quota

import (
	"errors"
	"fmt"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/money"
)

// words are the names of metadata in errors.v1.
func words(k ratelimitv1.ScopeKind, d ratelimitv1.Dimension) (scope, dimension string) {
	scope, dimension = "key", "requests"
	if k == ratelimitv1.ScopeKind_SCOPE_KIND_TENANT {
		scope = "tenant"
	}
	switch d {
	case ratelimitv1.Dimension_DIMENSION_TOKENS:
		dimension = "tokens"
	case ratelimitv1.Dimension_DIMENSION_CONCURRENCY:
		dimension = "concurrency"
	case ratelimitv1.Dimension_DIMENSION_BUDGET:
		dimension = "budget"
	}
	return scope, dimension
}

func larger(k ratelimitv1.ScopeKind, d ratelimitv1.Dimension, limit int64) error {
	scope, dimension := words(k, d)
	return fault.New(errorsv1.Reason_REASON_LARGER_THAN_LIMIT,
		"the request can use more %s than the limit of the %s allows in a minute: shorten it or lower its output bound", dimension, scope).
		With("scope", scope).With("dimension", dimension).With("limit", fmt.Sprint(limit))
}

// limited is the refusal of a limit that is in the way for a while, as it stands.
func limited(b *ratelimitv1.Balance, wait time.Duration) error {
	remedy := "is used up: wait and repeat"
	if left := b.GetRemaining(); left > 0 {
		remedy = fmt.Sprintf("has %d left, and the request can use more: wait and repeat, or lower its output bound", left)
	}
	return standing(b, wait, remedy)
}

// outrun is the refusal of a limit that has too little left for a call under way to go on. Whoever reads it in a stream has
// no headers that tell more.
func outrun(b *ratelimitv1.Balance, wait time.Duration) error {
	return standing(b, wait, fmt.Sprintf("has %d left, too few for the stream to go on: wait %.1f s and repeat, or declare an output bound",
		max(b.GetRemaining(), 0), max(wait, 100*time.Millisecond).Seconds()))
}

// standing is the refusal of a limit as it stands, and what to do.
func standing(b *ratelimitv1.Balance, wait time.Duration, remedy string) error {
	scope, dimension := words(b.GetScope(), b.GetDimension())
	per, left := " per minute", max(b.GetRemaining(), 0)
	if b.GetDimension() == ratelimitv1.Dimension_DIMENSION_CONCURRENCY {
		per = " requests at once"
	}
	return fault.New(errorsv1.Reason_REASON_RATE_LIMITED, "the %s limit of the %s (%d%s) %s", dimension, scope, b.GetLimit(), per, remedy).
		With("scope", scope).With("dimension", dimension).With("limit", fmt.Sprint(b.GetLimit())).
		With("remaining", fmt.Sprint(left)).With("reset_ms", fmt.Sprint(b.GetResetAfter().AsDuration().Milliseconds())).
		After(max(wait, time.Millisecond))
}

// periods are how people say how long a budget is for, what follows, and the names in metadata.
func periods(p ratelimitv1.BudgetPeriod) (per, next, word string) {
	switch p {
	case ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY:
		return "a day", "wait for the next day of UTC or have it raised", "day"
	case ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL:
		return "in all", "have it raised", "total"
	}
	return "a month", "wait for the next month of UTC or have it raised", "month"
}

// unaffordable is the refusal of a budget.
func (k *Keeper) unaffordable(c *claim, r *ratelimitv1.Refusal) error {
	b, at := r.GetBalance(), 0
	for i, n := range c.names {
		if n.kind == b.GetScope() {
			at = i
		}
	}
	period := c.money.budgets[at].period
	switch {
	case c.more:
	case c.cost() > b.GetLimit():
		return dearer(b.GetScope(), b.GetLimit(), period)
	case c.cost() <= b.GetRemaining()+k.mayFree(c.names[at]):
		return held(b.GetScope(), b.GetLimit())
	}
	return exhausted(b.GetScope(), b.GetLimit(), period, r.GetRetryAfter().AsDuration())
}

func (k *Keeper) mayFree(n name) int64 {
	s := k.stocks.hold(n)
	defer s.mu.Unlock()
	return s.purse.mayFree(k.clock())
}

// held is the refusal of a budget that has enough, but for what calls under way may cost at most: mostly they cost less.
func held(k ratelimitv1.ScopeKind, limit int64) error {
	scope, dimension := words(k, ratelimitv1.Dimension_DIMENSION_BUDGET)
	return fault.New(errorsv1.Reason_REASON_RATE_LIMITED,
		"what is left of the budget of the %s is held by calls under way: wait for them and repeat", scope).
		With("scope", scope).With("dimension", dimension).With("limit", money.USD(limit)).After(someTime)
}

func exhausted(k ratelimitv1.ScopeKind, limit int64, p ratelimitv1.BudgetPeriod, wait time.Duration) error {
	scope, _ := words(k, ratelimitv1.Dimension_DIMENSION_BUDGET)
	per, next, word := periods(p)
	if p == ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL {
		wait = 0
	}
	return fault.New(errorsv1.Reason_REASON_BUDGET_EXHAUSTED,
		"the budget of the %s (%s US dollars %s) has too little left for the request: %s", scope, money.USD(limit), per, next).
		With("scope", scope).With("period", word).With("limit", money.USD(limit)).After(wait)
}

func dearer(k ratelimitv1.ScopeKind, limit int64, p ratelimitv1.BudgetPeriod) error {
	scope, dimension := words(k, ratelimitv1.Dimension_DIMENSION_BUDGET)
	per, _, word := periods(p)
	return fault.New(errorsv1.Reason_REASON_LARGER_THAN_LIMIT,
		"the request can cost more than the whole budget of the %s (%s US dollars %s): shorten it, lower its output bound or ask for a cheaper model",
		scope, money.USD(limit), per).
		With("scope", scope).With("dimension", dimension).With("period", word).With("limit", money.USD(limit))
}

// nobody is the refusal where the service has to answer, and doesn't.
func nobody() error {
	return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "the limits can't be checked at the moment: repeat the request").After(someTime)
}

// unchecked is the refusal of a budget of which nobody knows how it stands. Money fails closed.
func unchecked(k ratelimitv1.ScopeKind, why string) error {
	scope, _ := words(k, ratelimitv1.Dimension_DIMENSION_BUDGET)
	return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "the budget of the %s can't be checked at the moment: repeat the request", scope).
		With("scope", scope).Because(errors.New(why)).After(someTime)
}
