package quota

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
)

const (
	// period is how often every stock is renewed, twice in the time it may be spent; one that is spare, that time before it
	// ends.
	period = time.Second
	// pause is between renewals of stocks that ran low, so that small grants don't become a stream of messages.
	pause = 20 * time.Millisecond
	// retry is how often a service that doesn't answer is tried.
	retry = 100 * time.Millisecond
	// perMessage bounds how many stocks are away at the same time.
	perMessage = 200
	// horizon is how much demand a stock is for.
	horizon = 2 * time.Second
)

// Run renews what is held and settles what was reserved until ctx ends; then it gives back what is left.
func (k *Keeper) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { k.settleAll(ctx) })
	line := &line{client: k.client, holder: k.holder}
	defer line.close()
	all := time.NewTimer(0)
	defer all.Stop()
	sweep := time.NewTicker(forgetAfter)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			k.giveUp(context.WithoutCancel(ctx), line)
			return nil
		case <-sweep.C:
			k.stocks.sweep(k.clock())
		case <-all.C:
			often, seldom := k.due()
			next := k.round(ctx, line, often)
			if next == period && len(seldom) > 0 {
				next = k.round(ctx, line, seldom)
			}
			all.Reset(next)
		case <-k.hungry:
			k.round(ctx, line, k.low())
			if !wait(ctx, pause) {
				continue
			}
		}
	}
}

// every lists all stocks that are renewed.
func (k *Keeper) every() []*stock {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.active)
}

// due lists those that have to be renewed now. Spare ones are apart: one message grants everything for the same time. Those
// with calls under way are renewed sooner: the service frees the places of whom it doesn't hear of.
func (k *Keeper) due() (often, seldom []*stock) {
	soon, sooner := k.clock().Add(2*period), k.clock().Add(6*period)
	for _, s := range k.every() {
		s.mu.Lock()
		switch {
		case !s.spare:
			often = append(often, s)
		case s.low || s.until.Before(soon) || s.used > 0 && s.until.Before(sooner):
			seldom = append(seldom, s)
		}
		s.mu.Unlock()
	}
	return often, seldom
}

// low lists those that ran low and can't wait.
func (k *Keeper) low() []*stock {
	return slices.DeleteFunc(k.every(), func(s *stock) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.low || s.spare
	})
}

// round renews stocks and returns when to renew all again. Without any it still says that this router lives.
func (k *Keeper) round(ctx context.Context, l *line, stocks []*stock) time.Duration {
	for {
		chunk := stocks[:min(len(stocks), perMessage)]
		if !k.renew(ctx, l, chunk, false) {
			return retry
		}
		if stocks = stocks[len(chunk):]; len(stocks) == 0 {
			return period
		}
	}
}

// renew exchanges one message; false where nobody answered.
func (k *Keeper) renew(ctx context.Context, l *line, stocks []*stock, last bool) bool {
	sent := k.clock()
	request := &ratelimitv1.LeaseRequest{Stocks: make([]*ratelimitv1.Stock, len(stocks))}
	for i, s := range stocks {
		request.Stocks[i] = s.giveAway(sent, last, k.live.Load())
	}
	answer, err := l.exchange(ctx, request)
	if err != nil || len(answer.GetStocks()) != len(stocks) {
		for _, s := range stocks {
			s.lost()
		}
		return false
	}
	k.live.Store(max(1, answer.GetLiveHolders()))
	k.met.Store(true)
	k.health.answered(answer.GetDegraded())
	if k.health.Back() {
		k.log.Info("the service of limits answers again")
	}
	var gone []*stock
	for i, s := range stocks {
		if s.receive(answer.GetStocks()[i], sent, answer.GetValidFor().AsDuration()) {
			gone = append(gone, s)
		}
	}
	k.forget(gone)
	return true
}

// giveUp gives back all that is held: this router ends.
func (k *Keeper) giveUp(ctx context.Context, l *line) {
	stocks := k.every()
	for len(stocks) > 0 && !k.health.Gone() {
		chunk := stocks[:min(len(stocks), perMessage)]
		if !k.renew(ctx, l, chunk, true) {
			return
		}
		stocks = stocks[len(chunk):]
	}
}

// forget drops stocks that nobody used.
func (k *Keeper) forget(gone []*stock) {
	if len(gone) == 0 {
		return
	}
	k.mu.Lock()
	k.active = slices.DeleteFunc(k.active, func(s *stock) bool { return s.gone })
	k.mu.Unlock()
	for _, s := range gone {
		k.stocks.drop(s)
	}
}

// giveAway is the part of a message about one stock: what is given back, and what is wanted.
func (s *stock) giveAway(now time.Time, last bool, routers int64) *ratelimitv1.Stock {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !now.Before(s.until) { // what is left of it is no longer ours to give
		s.requests, s.tokens = min(s.requests, 0), min(s.tokens, 0)
	}
	m := &ratelimitv1.Stock{
		Tenant: s.name.tenant, Scope: &ratelimitv1.Scope{Kind: s.name.kind, Id: s.name.id, Limits: s.limits.proto()},
		Places: s.used, PlacesUsed: s.used,
	}
	if s.limits.requests > 0 {
		m.Requests = s.requests
	}
	if s.limits.tokens > 0 {
		m.Tokens = s.tokens
	}
	if !last {
		s.want(m, now, routers)
	}
	s.away, s.low, s.shrunk, s.kept = true, false, false, s.used
	s.owedRequests, s.owedTokens = min(s.requests, 0), min(s.tokens, 0)
	s.requests, s.tokens, s.places = 0, 0, 0
	s.sent, s.batch = s.batch, new(batch)
	return m
}

// want guesses from the demand since the last renewal. A spare stock wants no more than is granted for long.
func (s *stock) want(m *ratelimitv1.Stock, now time.Time, routers int64) {
	d := s.demand
	s.demand = demand{since: now}
	if d.requests == 0 {
		return
	}
	ahead := float64(horizon) / float64(max(now.Sub(d.since), 100*time.Millisecond))
	guess := func(n int64) int64 { return int64(math.Ceil(float64(n) * max(ahead, 1))) }
	if s.limits.requests > 0 {
		m.WantRequests = guess(d.requests) + 2
	}
	if s.limits.tokens > 0 {
		m.WantTokens = guess(d.tokens) + d.largest
	}
	m.Places = max(s.used, d.peak+d.peak/4+1)
	if s.spare {
		m.WantRequests = min(m.WantRequests, bucket.Little(s.limits.requests, routers))
		m.WantTokens = min(m.WantTokens, bucket.Little(s.limits.tokens, routers))
		m.Places = min(m.Places, s.used+bucket.Little(s.limits.concurrency, routers))
	}
}

// receive puts a grant on the shelf and reports whether the stock can be forgotten.
func (s *stock) receive(m *ratelimitv1.Stock, sent time.Time, valid time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.spare {
		valid = min(valid, horizon) // it is renewed before
	}
	s.away, s.until = false, sent.Add(valid)
	s.requests += m.GetRequests()
	s.tokens += m.GetTokens()
	s.places = s.usable(m.GetPlaces())
	s.told = told{at: sent, requests: m.GetRequestsLeft(), tokens: m.GetTokensLeft()}
	s.turn(m.GetTokensReturnable(), valid)
	s.lowRequests, s.lowTokens = s.requests/4, s.tokens/4
	s.dry = (s.limits.requests > 0 && s.requests < 4) || (s.limits.tokens > 0 && s.tokens <= 0) ||
		(s.limits.concurrency > 0 && s.places <= s.used)
	nothing := s.requests == 0 && s.tokens == 0 && s.places == 0
	s.gone = nothing && s.open == 0 && s.demand.requests == 0 && s.back < 1
	return s.gone
}

// usable is how many of the places granted may be used. The service has some to spare where it granted more than were kept.
func (s *stock) usable(granted int64) int64 {
	if !s.shrunk && (granted > s.kept || s.kept == 0) {
		s.over = false
	}
	if s.over {
		return 0
	}
	return granted
}

// turn makes the calls of the grant before late ones, and takes what late ones have brought back.
func (s *stock) turn(returnable int64, valid time.Duration) {
	if s.sent != nil {
		s.join(s.sent)
		s.sent = nil
	}
	s.shrink(returnable)
	margin := int64(float64(s.limits.tokens)*valid.Minutes()) + 1
	if s.limits.tokens > 0 {
		s.tokens += s.draw(returnable, margin)
	}
}

// lost is the end of a renewal without an answer: what was given back is gone, what was spent of it stays so, and an
// overrun is told again.
func (s *stock) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away, s.until = false, time.Time{}
	s.requests, s.tokens = min(s.requests, 0)+s.owedRequests, min(s.tokens, 0)+s.owedTokens
	s.sent = nil
}
