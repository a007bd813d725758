package quota

import ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"

// limits bound one account, but for its budget; zero is no limit.
type limits struct{ requests, tokens, concurrency int64 }

func unlimited(l *ratelimitv1.Limits) bool {
	return l == nil ||
		l.RequestsPerMinute == 0 && l.TokensPerMinute == 0 && l.ConcurrentRequests == 0 && l.BudgetUsd == 0
}

func limitsOf(l *ratelimitv1.Limits) limits {
	if l == nil {
		return limits{}
	}
	return limits{requests: l.GetRequestsPerMinute(), tokens: l.GetTokensPerMinute(), concurrency: l.GetConcurrentRequests()}
}

func (l limits) none() bool { return l == limits{} }

// below reports whether one of the limits is narrower than another's.
func (l limits) below(m limits) bool {
	return narrower(l.requests, m.requests) || narrower(l.tokens, m.tokens) || narrower(l.concurrency, m.concurrency)
}

func narrower(a, b int64) bool { return a > 0 && (b == 0 || a < b) }

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
	if c.money == nil {
		return nil
	}
	for i, b := range c.money.budgets {
		if b.pico > 0 && c.money.cost > b.pico {
			return dearer(c.names[i].kind, b.pico, b.period)
		}
	}
	return nil
}
