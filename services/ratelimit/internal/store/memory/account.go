package memory

import (
	"cmp"
	"slices"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// account is one scope's.
type account struct {
	kind   ratelimitv1.ScopeKind
	whole  store.Limits // as configured
	limits store.Limits // this store's part; money isn't divided
	purses purses
	owed   purse // what was settled while the budget in force wasn't known: the ledger may hear of it too late
	// owedLast is when the last of it was.
	owedLast time.Time
	// requests and tokens are in use where limits name them.
	requests, tokens bucket.Bucket
	holders          []*holder // few: one for each router
	// calls take a place each; the first of them ends no sooner than next.
	calls map[string]place
	next  time.Time
	seen  time.Time
}

// place is that of an open reservation.
type place struct {
	holder string
	ends   time.Time
}

// holder is a router that holds something of an account.
type holder struct {
	id     string
	heard  time.Time
	leased int64 // places

	sequence         int64
	answer           store.Grant
	until            time.Time // the grant ends
	requests, tokens int64     // the grant
	late             bucket.Claim
}

func (h *holder) silent(now time.Time) bool { return now.Sub(h.heard) >= store.Silence }

// part is one of n parts of a limit, at least 1.
func part(limit, n int64) int64 {
	if limit == 0 {
		return 0
	}
	return max(1, limit/n)
}

// advance brings the account to now.
func (a *account) advance(s store.Scope, parts int64, divided bool, now time.Time) {
	a.kind, a.whole, a.seen = s.Kind, s.Limits, now
	a.limits = store.Limits{
		Requests: part(s.Limits.Requests, parts), Tokens: part(s.Limits.Tokens, parts),
		Concurrency: part(s.Limits.Concurrency, parts),
	}
	a.expire(now)
	a.refill(now)
	a.silence(now)
	a.purses.turn(now, divided)
}

func (a *account) refill(now time.Time) {
	if a.limits.Requests > 0 {
		a.requests.Advance(a.limits.Requests, now)
	}
	if a.limits.Tokens > 0 {
		a.tokens.Advance(a.limits.Tokens, now)
	}
}

// catchUp refills a bucket up to a moment in the past, by the limit that it had where none is named now.
func catchUp(b *bucket.Bucket, limit int64, to time.Time) {
	if limit = cmp.Or(limit, b.Limit()); limit > 0 && !b.At().IsZero() && b.At().Before(to) {
		b.Advance(limit, to)
	}
}

// expire ends the grants of holders that weren't heard of in time, each at its time: what it held leaves room from then
// on.
func (a *account) expire(now time.Time) {
	var over []*holder
	for _, h := range a.holders {
		if !now.Before(h.until) && (h.requests > 0 || h.tokens > 0) {
			over = append(over, h)
		}
	}
	slices.SortFunc(over, func(x, y *holder) int { return x.until.Compare(y.until) })
	for _, h := range over {
		catchUp(&a.requests, a.limits.Requests, h.until)
		catchUp(&a.tokens, a.limits.Tokens, h.until)
		a.requests.Release(h.requests, 0)
		a.tokens.Release(h.tokens, 0)
		h.requests, h.tokens = 0, 0
	}
}

// silence frees the places of holders that aren't heard of, and of calls that ran out.
func (a *account) silence(now time.Time) {
	for _, h := range a.holders {
		if h.silent(now) {
			a.vacate(func(p place) bool { return p.holder == h.id })
		}
	}
	a.holders = slices.DeleteFunc(a.holders, func(h *holder) bool { return h.silent(now) })
	if len(a.calls) > 0 && !now.Before(a.next) {
		a.vacate(func(p place) bool { return !now.Before(p.ends) })
	}
}

// vacate frees the places that match.
func (a *account) vacate(match func(place) bool) {
	a.next = time.Time{}
	for id, p := range a.calls {
		if match(p) {
			delete(a.calls, id)
		} else if a.next.IsZero() || p.ends.Before(a.next) {
			a.next = p.ends
		}
	}
}

// occupy takes a place for a call.
func (a *account) occupy(id string, p place) {
	if len(a.calls) == 0 || p.ends.Before(a.next) {
		a.next = p.ends
	}
	if a.calls == nil {
		a.calls = make(map[string]place)
	}
	a.calls[id] = p
}

// hear notes that a holder was heard of now, where it is known, and returns it.
func (a *account) hear(id string, now time.Time) *holder {
	for _, h := range a.holders {
		if h.id == id {
			h.heard = now
			return h
		}
	}
	return nil
}

// holder returns a holder that was just heard of.
func (a *account) holder(id string, now time.Time) *holder {
	if h := a.hear(id, now); h != nil {
		return h
	}
	h := &holder{id: id, heard: now}
	a.holders = append(a.holders, h)
	return h
}

// places are those taken, by whomever.
func (a *account) places() int64 {
	n := int64(len(a.calls))
	for _, h := range a.holders {
		n += h.leased
	}
	return n
}

// idle reports that forgetting the account changes nothing.
func (a *account) idle(now time.Time) bool {
	a.silence(now)
	quiet := now.Sub(a.seen)
	if a.purses.kept() && quiet < store.KeepBudget {
		return false
	}
	return len(a.holders) == 0 && len(a.calls) == 0 && quiet >= 2*time.Minute && quiet >= a.requests.Reset() && quiet >= a.tokens.Reset()
}

// balances appends how each limit stands, in full terms also where the store has only a part.
func (a *account) balances(all []store.Balance) []store.Balance {
	if a.limits.Requests > 0 {
		all = append(all, a.balance(ratelimitv1.Dimension_DIMENSION_REQUESTS))
	}
	if a.limits.Tokens > 0 {
		all = append(all, a.balance(ratelimitv1.Dimension_DIMENSION_TOKENS))
	}
	if a.limits.Concurrency > 0 {
		all = append(all, a.balance(ratelimitv1.Dimension_DIMENSION_CONCURRENCY))
	}
	if a.whole.Budget > 0 {
		all = append(all, a.budget())
	}
	return all
}

func (a *account) balance(d ratelimitv1.Dimension) store.Balance {
	b := store.Balance{Scope: a.kind, Dimension: d}
	switch d {
	case ratelimitv1.Dimension_DIMENSION_REQUESTS:
		b.Limit, b.Remaining, b.Reset = a.whole.Requests, a.requests.Left(), a.requests.Reset()
	case ratelimitv1.Dimension_DIMENSION_TOKENS:
		b.Limit, b.Remaining, b.Reset = a.whole.Tokens, a.tokens.Left(), a.tokens.Reset()
	default:
		b.Limit, b.Remaining = a.whole.Concurrency, a.limits.Concurrency-a.places()
	}
	return b
}

// refusal is why a call can't pass here, the limit with the longest wait; nil where it can.
func (a *account) refusal(c store.Call) *store.Refusal {
	var r *store.Refusal
	if a.limits.Requests > 0 {
		r = longer(r, a.waits(&a.requests, ratelimitv1.Dimension_DIMENSION_REQUESTS, 1, a.whole.Requests))
	}
	if a.limits.Tokens > 0 {
		r = longer(r, a.waits(&a.tokens, ratelimitv1.Dimension_DIMENSION_TOKENS, c.Tokens, a.whole.Tokens))
	}
	if a.limits.Concurrency > 0 && !c.Deferred && a.places() >= a.limits.Concurrency {
		r = longer(r, &store.Refusal{
			Balance: a.balance(ratelimitv1.Dimension_DIMENSION_CONCURRENCY), RetryAfter: store.Unknown,
		})
	}
	return longer(r, a.affords(c.Cost))
}

// waits is the refusal of one bucket. Where this store's part is smaller than the call, a whole part will do.
func (a *account) waits(b *bucket.Bucket, d ratelimitv1.Dimension, n, whole int64) *store.Refusal {
	need := min(n, b.Limit())
	wait := b.Wait(need)
	if n <= whole && (wait == 0 || n == 0) {
		return nil
	}
	if !b.Room(need) {
		wait = max(wait, store.Unknown)
	}
	return &store.Refusal{Balance: a.balance(d), RetryAfter: max(wait, time.Millisecond), Never: n > whole}
}

// longer is the refusal with the longer wait.
func longer(a, b *store.Refusal) *store.Refusal {
	switch {
	case a == nil:
		return b
	case b == nil, a.Never && !b.Never:
		return a
	case b.Never && !a.Never, b.RetryAfter > a.RetryAfter:
		return b
	}
	return a
}
