package quota

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
)

// someTime is the wait told where it depends on other calls.
const someTime = time.Second

// alone decides by this router's part of the limits.
func (k *Keeper) alone(c *claim) (*Reservation, error) {
	now := k.clock()
	p := k.stocks.lockBoth(c)
	defer p.unlock()
	for _, s := range p {
		if s == nil {
			continue
		}
		if err := s.refuses(c.tokens, k.live.Load(), now); err != nil {
			return nil, err
		}
	}
	seen, err := p.spend(c, k.live.Load(), now)
	if err != nil {
		return nil, err
	}
	r := &Reservation{keeper: k, tokens: c.tokens, stocks: p, alone: new([2]own)}
	for i, s := range p {
		if s != nil {
			r.alone[i] = s.takeOwn(c.tokens)
			r.alone[i].seen = seen[i]
		}
	}
	return r, nil
}

// refuses is why a call can't pass by this router's part. A call larger than the part passes where the part is whole.
func (s *stock) refuses(tokens, routers int64, now time.Time) error {
	part := s.limits.part(max(routers, 1))
	check := func(b *bucket.Bucket, d ratelimitv1.Dimension, n, limit, part int64) error {
		if limit == 0 {
			return nil
		}
		b.Advance(part, now)
		if wait := b.Wait(min(n, part)); wait > 0 {
			return limited(&ratelimitv1.Balance{
				Scope: s.name.kind, Dimension: d, Limit: limit, Remaining: b.Left(), ResetAfter: durationpb.New(b.Reset()),
			}, wait)
		}
		return nil
	}
	if err := check(&s.aloneRequests, ratelimitv1.Dimension_DIMENSION_REQUESTS, 1, s.limits.requests, part.requests); err != nil {
		return err
	}
	if err := check(&s.aloneTokens, ratelimitv1.Dimension_DIMENSION_TOKENS, tokens, s.limits.tokens, part.tokens); err != nil {
		return err
	}
	if part.concurrency > 0 && s.open >= part.concurrency {
		return limited(&ratelimitv1.Balance{
			Scope: s.name.kind, Dimension: ratelimitv1.Dimension_DIMENSION_CONCURRENCY, Limit: s.limits.concurrency,
		}, someTime)
	}
	return nil
}

// refusesMore is why a call under way can't go on by this router's part: of that it gets no more than there is.
func (s *stock) refusesMore(tokens, limit, routers int64, now time.Time) error {
	if limit == 0 || tokens == 0 {
		return nil
	}
	part, b := limits{tokens: limit}.part(max(routers, 1)).tokens, &s.aloneTokens
	b.Advance(part, now)
	if b.Left() >= tokens {
		return nil
	}
	return outrun(&ratelimitv1.Balance{
		Scope: s.name.kind, Dimension: ratelimitv1.Dimension_DIMENSION_TOKENS, Limit: limit, Remaining: b.Left(),
		ResetAfter: durationpb.New(b.Reset()),
	}, max(b.Wait(min(tokens, part)), time.Millisecond))
}

// takeOwn pays for a call from this router's part.
func (s *stock) takeOwn(tokens int64) own {
	s.open++
	var o own
	if s.limits.requests > 0 {
		o.requests = s.aloneRequests.Take(1)
	}
	if s.limits.tokens > 0 {
		o.tokens = s.aloneTokens.Take(tokens)
	}
	return o
}

// returnOwn ends a call that was paid from this router's part.
func (s *stock) returnOwn(o own, reserved, used int64, unused bool) {
	if unused {
		s.aloneRequests.Return(o.requests, 1)
	} else {
		s.aloneRequests.Return(o.requests, 0)
	}
	s.returnTokens(o.tokens, reserved, used)
}

func (s *stock) returnTokens(c bucket.Claim, reserved, used int64) {
	s.aloneTokens.Return(c, reserved-used)
	s.aloneTokens.Spend(max(0, used-reserved))
}

// note charges this router's part with a call that was admitted otherwise, as far as there is something left: where
// nobody answers all of a sudden, the part isn't whole any more.
func (s *stock) note(used int64, unused bool, routers int64, now time.Time) {
	part := s.limits.part(max(routers, 1))
	if s.limits.requests > 0 && !unused {
		s.aloneRequests.Advance(part.requests, now)
		s.aloneRequests.Spend(min(1, max(0, s.aloneRequests.Left())))
	}
	if s.limits.tokens > 0 {
		s.aloneTokens.Advance(part.tokens, now)
		s.aloneTokens.Spend(min(used, max(0, s.aloneTokens.Left())))
	}
}
