package account

import (
	"context"
	"math"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

// left is what was reserved and wasn't used by the attempts before.
func (m *meter) left() (left quota.Amount) {
	c := m.attempt.call
	if left.Tokens = math.MaxInt64; c.metered {
		left.Tokens = c.reserved - c.tokens
	}
	if left.PicoUSD = math.MaxInt64; c.money != nil {
		left.PicoUSD = c.money.reserved - c.money.spent
	}
	return left
}

// paid reports whether so many bytes more are within what was reserved.
func (m *meter) paid(r dialect.Reading, more int64) bool {
	used, left := m.used(r, more), m.left()
	return used.Tokens <= left.Tokens && used.PicoUSD <= left.PicoUSD
}

// used is what an answer uses that says so many bytes more, of what is limited. A cost that nobody knows is settled in the
// end.
func (m *meter) used(r dialect.Reading, more int64) (used quota.Amount) {
	a := m.attempt
	u := a.guess(r)
	u.OutputTokens = sum(u.GetOutputTokens(), more/bytesPerToken)
	if a.call.metered {
		used.Tokens = sum(u.GetInputTokens(), u.GetOutputTokens())
	}
	if a.call.money == nil {
		return used
	}
	cost, _, known := a.cost(u)
	if used.PicoUSD = cost; !known {
		used.PicoUSD = m.left().PicoUSD
	}
	return used
}

// sum is the largest number where there is none that large: providers may count whatever they like.
func sum(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

// extend reserves, of whatever is running out, what an answer of the usual length uses beyond what this one has said; where
// a limit hasn't so much left, a part of it. Of several refusals it returns the one with the wait for the most: after less
// another call couldn't begin.
func (m *meter) extend(r dialect.Reading) error {
	ahead := int64(2 * step)
	if m.refused != nil {
		ahead = fine
	}
	var limited error
	for _, part := range [...]int64{1, 4, 16} {
		more := m.lacking(r, ahead, usualOutput*bytesPerToken/part)
		err := m.attempt.call.extend(m.ctx, more)
		switch {
		case err == nil:
			return nil
		case fault.From(err).Reason == errorsv1.Reason_REASON_BUDGET_EXHAUSTED:
			limited = err
		case fault.From(err).Reason != errorsv1.Reason_REASON_RATE_LIMITED:
			return inTime(err)
		case limited == nil:
			limited = err
		}
	}
	return limited
}

// lacking is what so many bytes more use, of what doesn't do for those ahead, and what was used beyond what is reserved.
func (m *meter) lacking(r dialect.Reading, ahead, slice int64) (more quota.Amount) {
	now, soon, then, left := m.used(r, 0), m.used(r, ahead), m.used(r, slice), m.left()
	if soon.Tokens > left.Tokens {
		more.Tokens = sum(then.Tokens-now.Tokens, max(0, sum(now.Tokens, -left.Tokens)))
	}
	if soon.PicoUSD > left.PicoUSD {
		more.PicoUSD = sum(then.PicoUSD-now.PicoUSD, max(0, sum(now.PicoUSD, -left.PicoUSD)))
	}
	return more
}

// extend reserves more.
func (c *Call) extend(ctx context.Context, more quota.Amount) error {
	if err := c.reservation.Extend(ctx, more); err != nil {
		return err
	}
	c.reserved = sum(c.reserved, more.Tokens)
	if c.money != nil {
		c.money.reserved = sum(c.money.reserved, more.PicoUSD)
	}
	return nil
}

// inTime turns the refusal of a question that found no answer in time, after which another target would be asked, into one
// that ends a stream.
func inTime(err error) error {
	if !provider.Unasked(err) {
		return err
	}
	return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
		"the stream used what was reserved for it, and whether its limits have more couldn't be checked in time: repeat the request").Because(err)
}
