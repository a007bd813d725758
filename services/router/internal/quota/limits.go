package quota

import (
	"fmt"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// limits bound one account; zero is no limit.
type limits struct{ requests, tokens, concurrency int64 }

func limitsOf(l *ratelimitv1.Limits) limits {
	if l == nil {
		return limits{}
	}
	return limits{requests: l.GetRequestsPerMinute(), tokens: l.GetTokensPerMinute(), concurrency: l.GetConcurrentRequests()}
}

func (l limits) none() bool { return l == limits{} }

func (l limits) proto() *ratelimitv1.Limits {
	return &ratelimitv1.Limits{RequestsPerMinute: l.requests, TokensPerMinute: l.tokens, ConcurrentRequests: l.concurrency}
}

// part is what one of n routers may use alone, at least 1 of what is limited.
func (l limits) part(n int64) limits {
	of := func(v int64) int64 {
		if v == 0 {
			return 0
		}
		return max(1, v/n)
	}
	return limits{requests: of(l.requests), tokens: of(l.tokens), concurrency: of(l.concurrency)}
}

// tooLarge is LARGER_THAN_LIMIT where the call can never pass.
func (c *claim) tooLarge() error {
	for i, l := range c.limits {
		if l.tokens > 0 && c.tokens > l.tokens {
			return larger(c.names[i].kind, ratelimitv1.Dimension_DIMENSION_TOKENS, l.tokens)
		}
	}
	return nil
}

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
	}
	return scope, dimension
}

func larger(k ratelimitv1.ScopeKind, d ratelimitv1.Dimension, limit int64) error {
	scope, dimension := words(k, d)
	return fault.New(errorsv1.Reason_REASON_LARGER_THAN_LIMIT,
		"the request can use more %s than the limit of the %s allows in a minute: shorten it or lower its output bound", dimension, scope).
		With("scope", scope).With("dimension", dimension).With("limit", fmt.Sprint(limit))
}

func limited(k ratelimitv1.ScopeKind, d ratelimitv1.Dimension, limit int64, wait time.Duration) error {
	scope, dimension := words(k, d)
	per := " per minute"
	if d == ratelimitv1.Dimension_DIMENSION_CONCURRENCY {
		dimension, per = "concurrency", " requests at once"
	}
	return fault.New(errorsv1.Reason_REASON_RATE_LIMITED,
		"the %s limit of the %s (%d%s) is used up: wait and repeat", dimension, scope, limit, per).
		With("scope", scope).With("dimension", dimension).With("limit", fmt.Sprint(limit)).After(max(wait, time.Millisecond))
}
