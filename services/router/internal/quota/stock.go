package quota

import (
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/kit/bucket"
)

// stock is what this router holds of one account.
type stock struct {
	name name

	mu     sync.Mutex
	gone   bool
	limits limits
	// shrunk: what is held was granted under wider limits than these. It isn't spent, and goes back in the next renewal.
	shrunk bool
	// over: there may be more calls under way than the limit that shrank allows. Places that become free aren't taken again
	// until the service has some to spare; it decides about each call meanwhile. kept are those in use as last told to it.
	over bool
	kept int64
	// away: what was here was given back, and the answer isn't there yet.
	away  bool
	until time.Time // what is held may be spent
	// requests and tokens may be spent; below zero more was used than was there. places are held, used of them are in use.
	requests, tokens         int64
	places, used             int64
	owedRequests, owedTokens int64 // overruns told in a message that isn't answered yet
	low                      bool  // a renewal was asked for
	lowRequests              int64
	lowTokens                int64

	// batch are the calls of the present grant, sent those of the one that was given back and isn't answered yet. What calls
	// of earlier grants don't use goes back by way of the service, which tells how much can still come back.
	batch, sent *batch
	late
	demand demand
	listed bool
	spare  bool      // for rare calls: so little of the limits that it may be held for long
	missed time.Time // the last call that the stock couldn't pay
	dry    bool      // the last grant was nothing: little is left

	// open are all calls under way, however they were admitted.
	open int64
	// What is left beside the stock, as last told.
	told told
	// aloneRequests and aloneTokens are this router's part, for when nobody answers.
	aloneRequests, aloneTokens bucket.Bucket
	purse                      purse
}

// told is how the shared account stood.
type told struct {
	at               time.Time
	requests, tokens int64
}

// demand is what was asked for since the last renewal, to guess what will be.
type demand struct {
	since            time.Time
	requests, tokens int64
	largest, peak    int64
}

func (d *demand) note(tokens, open int64) {
	d.requests++
	d.tokens += tokens
	d.largest = max(d.largest, tokens)
	d.peak = max(d.peak, open)
}

// change sets other limits, which are in force at once, whatever was granted under those before. What was paid without a
// limit can't come back to it.
func (s *stock) change(l limits) {
	if s.listed && l.below(s.limits) { // one that isn't listed holds nothing
		s.shrunk, s.spare, s.dry, s.low = true, false, false, false // the call that brings them wakes the renewal
		s.over = s.over || narrower(l.concurrency, s.limits.concurrency)
	}
	if (s.limits.requests == 0) != (l.requests == 0) {
		s.requests = 0
	}
	if (s.limits.tokens == 0) != (l.tokens == 0) {
		s.tokens, s.batch, s.sent = 0, new(batch), nil
		s.late = late{factor: 1, epoch: s.epoch + 1}
	}
	s.limits = l
}

// has reports whether a call can be paid from here.
func (s *stock) has(tokens int64, now time.Time) bool {
	return !s.away && !s.shrunk && now.Before(s.until) &&
		(s.limits.requests == 0 || s.requests >= 1) &&
		(s.limits.tokens == 0 || s.tokens >= tokens) &&
		(s.limits.concurrency == 0 || s.used < s.places)
}

// take pays for a call.
func (s *stock) take(tokens int64) {
	if s.limits.requests > 0 {
		s.requests--
	}
	if s.limits.tokens > 0 {
		s.tokens -= tokens
		s.batch.open += tokens
	}
	s.used++
	s.open++
	s.demand.note(tokens, s.open)
}

// needsMore reports, once, that little is left of a grant, where that can't wait for the next round.
func (s *stock) needsMore() bool {
	if s.low || s.dry || s.away {
		return false
	}
	s.low = (s.limits.requests > 0 && s.requests < s.lowRequests) ||
		(s.limits.tokens > 0 && s.tokens < s.lowTokens) ||
		(s.limits.concurrency > 0 && s.places-s.used <= s.places/4)
	return s.low && !s.spare
}

// fromStock pays for a call from what is held; nil where that isn't enough.
func (k *Keeper) fromStock(c *claim) *Reservation {
	now := k.clock()
	p := k.stocks.lockBoth(c)
	for _, s := range p {
		if s != nil && !s.has(c.tokens, now) {
			k.miss(p, c.tokens, now)
			p.unlock()
			return nil
		}
	}
	r := &Reservation{keeper: k, tokens: c.tokens, stocks: p}
	more := false
	for i, s := range p {
		if s != nil {
			s.take(c.tokens)
			r.batches[i] = s.batch
			more = s.needsMore() || more
		}
	}
	p.unlock()
	if more {
		k.wake()
	}
	return r
}

// rare is how long an account may be silent between two calls that are each asked for: a stock in advance pays where
// more than one call comes in that time, and costs more than it saves where thousands of keys call now and then; unless it
// is valid for long, as one is that is next to nothing of its limits: then it pays for calls that aren't rarer than rarer.
const rare, rarer = 500 * time.Millisecond, 5 * time.Second

// miss notes a call that was not paid from stock, so that there is one for those that follow, if they follow soon.
func (k *Keeper) miss(p pair, tokens int64, now time.Time) {
	wake := false
	for _, s := range p {
		if s == nil {
			continue
		}
		silent := now.Sub(s.missed)
		s.missed = now
		follows := s.listed || silent < rare || silent < rarer && s.sparing(tokens, k.live.Load())
		if !follows {
			s.demand = demand{since: now}
		}
		s.demand.note(tokens, s.open+1)
		if s.spare && silent < rare { // not for long any more
			s.spare, s.low = false, false
		}
		if !follows || s.away || s.dry || s.low {
			continue
		}
		if !s.listed {
			s.listed, s.spare = true, silent >= rare
			k.list(s)
		}
		s.low, wake = true, wake || !s.spare
	}
	if wake {
		k.wake()
	}
}

// sparing reports whether a stock for a few calls is next to nothing of the limits.
func (s *stock) sparing(tokens, routers int64) bool {
	little := func(n, limit int64) bool { return limit == 0 || n <= bucket.Little(limit, routers) }
	return little(4, s.limits.requests) && little(3*tokens, s.limits.tokens) && little(s.open+2, s.limits.concurrency)
}

// list adds a stock to those that are renewed.
func (k *Keeper) list(s *stock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.active = append(k.active, s)
}

// wake has the renewal look for stocks that run low.
func (k *Keeper) wake() {
	select {
	case k.hungry <- struct{}{}:
	default:
	}
}
