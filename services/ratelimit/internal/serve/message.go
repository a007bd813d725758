package serve

import (
	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

func limits(l *ratelimitv1.Limits) store.Limits {
	return store.Limits{Requests: l.GetRequestsPerMinute(), Tokens: l.GetTokensPerMinute(), Concurrency: l.GetConcurrentRequests()}
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
	return &ratelimitv1.Balance{
		Scope: b.Scope, Dimension: b.Dimension, Limit: b.Limit, Remaining: b.Remaining, ResetAfter: durationpb.New(b.Reset),
	}
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
	return &ratelimitv1.Refusal{Balance: balance(r.Balance), RetryAfter: durationpb.New(r.RetryAfter), Never: r.Never}
}
