package quota

import (
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
)

// Reservation is what a call holds. Nil is a reservation of nothing. Safe for concurrent use.
type Reservation struct {
	keeper    *Keeper
	requestID string
	settled   atomic.Bool
	tokens    int64
	stocks    pair
	// batches are set where the call was paid from stock.
	batches [2]*batch
	// asked is set where the service was asked.
	asked *asked
	// alone is set where this router decided alone.
	alone *[2]own
	// spending is set where the account has a budget, or more was reserved.
	spending atomic.Pointer[spending]
}

// asked is what the service was asked, and how the limits stood after it.
type asked struct {
	request *ratelimitv1.ReserveRequest
	told    []*ratelimitv1.Balance
}

// own are the claims of a call on this router's part; seen is its purse's.
type own struct {
	requests, tokens bucket.Claim
	seen             time.Time
}

// Settle ends it with what was used; unused says that the call never reached a provider. Only the first call does
// anything. It never waits.
func (r *Reservation) Settle(used Amount, unused bool) {
	if r == nil || r.settled.Swap(true) {
		return
	}
	own := Amount{Tokens: max(used.Tokens, 0)}
	if m := r.spending.Load(); m != nil {
		own = m.settle(r.keeper, Amount{Tokens: own.Tokens, PicoUSD: max(used.PicoUSD, 0)})
	}
	wake, now, routers := false, r.keeper.clock(), r.keeper.live.Load()
	for i, s := range r.stocks {
		if s == nil {
			continue
		}
		s.mu.Lock()
		s.open--
		switch {
		case r.batches[i] != nil:
			s.giveBack(r.batches[i], r.tokens, own.Tokens, unused)
			wake = s.needsMore() || wake
		case r.alone != nil:
			s.returnOwn(r.alone[i], r.tokens, own.Tokens, unused)
		}
		if r.alone == nil {
			s.note(own.Tokens, unused, routers, now)
		}
		s.mu.Unlock()
	}
	if wake {
		r.keeper.wake()
	}
	if r.asked != nil {
		r.keeper.end(r.asked.request, own, unused, r.asked.told)
	}
}

// end has what was asked for settled with what was used of it.
func (k *Keeper) end(r *ratelimitv1.ReserveRequest, used Amount, unused bool, told []*ratelimitv1.Balance) {
	s := settlement(r)
	s.Tokens, s.CostPicoUsd, s.Unused = used.Tokens, used.PicoUSD, unused
	k.enqueue(s, told, used.Tokens > r.GetTokens() || used.PicoUSD > r.GetCostPicoUsd())
}

// settlement is the beginning of the end of what was asked for.
func settlement(r *ratelimitv1.ReserveRequest) *ratelimitv1.SettleRequest {
	return &ratelimitv1.SettleRequest{
		ReservationId: r.GetReservationId(), Holder: r.GetHolder(), Tenant: r.GetTenant(), Scopes: r.GetScopes(),
	}
}

// giveBack ends a call that was paid from stock.
func (s *stock) giveBack(b *batch, reserved, used int64, unused bool) {
	s.used--
	if over := used - reserved; over > 0 && s.limits.tokens > 0 {
		s.tokens -= over
		used = reserved
	}
	switch {
	case b != s.batch && s.limits.tokens > 0:
		s.settle(b, reserved, reserved-used)
	case b == s.batch && s.limits.tokens > 0:
		b.open -= reserved
		s.tokens += reserved - used
	}
	if unused && b == s.batch && s.limits.requests > 0 {
		s.requests++
	}
}

// Balances tells how the limits on requests and on tokens stand, each of the account that has the least left.
func (r *Reservation) Balances() []*ratelimitv1.Balance {
	if r == nil {
		return nil
	}
	if r.asked != nil {
		return tightest(r.asked.told)
	}
	now := r.keeper.clock()
	var all []*ratelimitv1.Balance
	for _, s := range r.stocks {
		if s != nil {
			s.mu.Lock()
			all = s.balances(all, now, r.alone != nil)
			s.mu.Unlock()
		}
	}
	return tightest(all)
}

// balances appends how the limits stand, as far as this router knows.
func (s *stock) balances(all []*ratelimitv1.Balance, now time.Time, alone bool) []*ratelimitv1.Balance {
	add := func(d ratelimitv1.Dimension, limit, left, held int64, own *bucket.Bucket) {
		if limit == 0 {
			return
		}
		refilled := float64(limit) * now.Sub(s.told.at).Minutes()
		left = min(limit, left+max(held, 0)+int64(min(refilled, float64(limit))))
		if alone {
			left = own.Left()
		}
		reset := time.Duration(float64(limit-left) / float64(limit) * float64(time.Minute))
		all = append(all, &ratelimitv1.Balance{
			Scope: s.name.kind, Dimension: d, Limit: limit, Remaining: left, ResetAfter: durationpb.New(reset),
		})
	}
	add(ratelimitv1.Dimension_DIMENSION_REQUESTS, s.limits.requests, s.told.requests, s.requests, &s.aloneRequests)
	add(ratelimitv1.Dimension_DIMENSION_TOKENS, s.limits.tokens, s.told.tokens, s.tokens, &s.aloneTokens)
	return all
}

// tightest keeps, for requests and for tokens, the balance with the least left.
func tightest(all []*ratelimitv1.Balance) []*ratelimitv1.Balance {
	var kept []*ratelimitv1.Balance
	for _, d := range []ratelimitv1.Dimension{ratelimitv1.Dimension_DIMENSION_REQUESTS, ratelimitv1.Dimension_DIMENSION_TOKENS} {
		var least *ratelimitv1.Balance
		for _, b := range all {
			if b.GetDimension() == d && (least == nil || b.GetRemaining() < least.GetRemaining()) {
				least = b
			}
		}
		if least != nil {
			kept = append(kept, least)
		}
	}
	return kept
}
