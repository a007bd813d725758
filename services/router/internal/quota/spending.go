package quota

import (
	"sync"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
)

// spending is the tokens and the money of a call that reserves more of them as it goes on. Safe for concurrent use.
type spending struct {
	claim     claim // on tokens and budgets alone
	requestID string

	mu     sync.Mutex
	slices []slice // the call's own, and those that were added
}

// slice is what was reserved at once.
type slice struct {
	amount Amount
	// request is set where the service was asked. Else this router decided alone: seen tells by what it had been told of
	// budgets, own what it took of its part of the tokens. What the call began with has its tokens in the Reservation.
	request *ratelimitv1.ReserveRequest
	seen    [2]time.Time
	own     [2]bucket.Claim
}

// settle ends all slices with what was used together, the last one first, and returns what falls to the one that the call
// began with, to be told with the rest of it. An overrun falls to that one.
func (m *spending) settle(k *Keeper, used Amount) (own Amount) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.slices) - 1; i > 0; i-- {
		s := &m.slices[i]
		part := Amount{Tokens: min(used.Tokens, s.amount.Tokens), PicoUSD: min(used.PicoUSD, s.amount.PicoUSD)}
		used.Tokens, used.PicoUSD = used.Tokens-part.Tokens, used.PicoUSD-part.PicoUSD
		m.end(k, s, part)
	}
	first := &m.slices[0]
	p, now := k.stocks.holdBoth(&m.claim), k.clock()
	m.release(p, first, used.PicoUSD, now)
	p.unlock()
	if first.request == nil {
		m.owe(k, first, used.PicoUSD)
		used.PicoUSD = 0
	}
	return used
}

// end ends a slice that was added.
func (m *spending) end(k *Keeper, s *slice, used Amount) {
	p, now, routers := k.stocks.holdBoth(&m.claim), k.clock(), k.live.Load()
	m.release(p, s, used.PicoUSD, now)
	for i, st := range p {
		switch {
		case st == nil || m.claim.limits[i].tokens == 0:
		case s.request != nil:
			st.note(used.Tokens, true, routers, now)
		default:
			st.returnTokens(s.own[i], s.amount.Tokens, used.Tokens)
		}
	}
	p.unlock()
	if s.request != nil {
		k.end(s.request, used, false, nil)
		return
	}
	m.owe(k, s, used.PicoUSD)
}

// release ends a slice in the purses, which are locked.
func (m *spending) release(p pair, s *slice, used int64, now time.Time) {
	for i, st := range p {
		switch {
		case st == nil || !m.claim.budgeted(i):
		case s.request != nil:
			st.purse.release(s.amount.PicoUSD, used, now)
		case st.purse.seen.Equal(s.seen[i]):
			st.purse.spent += used - s.amount.PicoUSD
		}
	}
}

// owe notes what a slice cost that nobody was asked for.
func (m *spending) owe(k *Keeper, s *slice, used int64) {
	if s.request == nil && used > 0 && m.claim.money != nil {
		k.owe(&m.claim, m.requestID, used)
	}
}
