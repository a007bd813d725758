package serve

import (
	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// limits are those of a message. A budget that isn't one is the smallest: validation refused it before, and a key from
// elsewhere is rather held too short than not at all.
func limits(l *ratelimitv1.Limits) store.Limits {
	out := store.Limits{Requests: l.GetRequestsPerMinute(), Tokens: l.GetTokensPerMinute(), Concurrency: l.GetConcurrentRequests()}
	if l.GetBudgetUsd() == 0 {
		return out
	}
	budget, err := money.FromUSD(l.GetBudgetUsd())
	if err != nil {
		budget = 1
	}
	out.Budget, out.Period = min(budget, store.MaxMoney), store.Month
	if p := l.GetBudgetPeriod(); p >= store.Day && p <= store.Total {
		out.Period = p
	}
	return out
}

func scope(s *ratelimitv1.Scope) store.Scope {
	return store.Scope{Kind: s.GetKind(), ID: s.GetId(), Limits: limits(s.GetLimits())}
}

func scopes(list []*ratelimitv1.Scope) []store.Scope {
	out := make([]store.Scope, len(list))
	for i, s := range list {
		out[i] = scope(s)
	}
	return out
}

func balance(b store.Balance) *ratelimitv1.Balance {
	out := &ratelimitv1.Balance{Scope: b.Scope, Dimension: b.Dimension, Limit: b.Limit, Remaining: b.Remaining, Unopened: b.Unseeded}
	if b.Reset != store.NoReset {
		out.ResetAfter = durationpb.New(b.Reset)
	}
	return out
}

func balances(list []store.Balance) []*ratelimitv1.Balance {
	out := make([]*ratelimitv1.Balance, len(list))
	for i, b := range list {
		out[i] = balance(b)
	}
	return out
}

func refusal(r *store.Refusal) *ratelimitv1.Refusal {
	if r == nil {
		return nil
	}
	out := &ratelimitv1.Refusal{Balance: balance(r.Balance), Never: r.Never, Unseeded: r.Balance.Unseeded}
	if r.RetryAfter > 0 {
		out.RetryAfter = durationpb.New(r.RetryAfter)
	}
	return out
}
