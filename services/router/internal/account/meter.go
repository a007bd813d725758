package account

import (
	"context"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// mostPerToken is more than the tokens of any text have bytes: an answer that says so much has left its declared bound
// behind. Before that the provider holds it to its bound, and an estimate would only be worse.
const mostPerToken = 4 * bytesPerToken

// step is how many bytes of an answer pass between two looks at what it costs, fine how many where the end is near.
const step, fine = 256 * bytesPerToken, 16 * bytesPerToken

// meter watches what a stream without a declared bound, or one that has left it behind, costs while it runs, and reserves
// more as it goes on. It belongs to one goroutine.
type meter struct {
	ctx     context.Context //nolint:containedctx // the attempt's: more is reserved in its name
	attempt *Attempt
	// next is how much the answer has to have said for the next look, in bytes.
	next int64
	// refused is why no more could be reserved: what is there may still be used up, then it is tried once more.
	refused error
}

// Metered reports whether Afford has to be called as a stream goes on.
func (a *Attempt) Metered() bool { return a.meter != nil }

// Afford returns BUDGET_EXHAUSTED, or why a budget can't be checked, where a metered stream has cost all that was reserved
// for it and there is no more: it has to end. It may ask for more, which takes at most as long as Reserve.
func (a *Attempt) Afford(r dialect.Reading) error {
	m := a.meter
	if m == nil || r.Said < m.next {
		return nil
	}
	if !m.paid(r, 2*step) && (m.refused == nil || !m.paid(r, fine)) {
		m.refused = m.extend(r)
	}
	switch {
	case m.paid(r, step):
		m.next = r.Said + step
	case m.refused == nil, m.paid(r, fine):
		m.next = r.Said + fine
	default:
		return m.refused
	}
	return nil
}

// left is what was reserved and isn't spent by the attempts before.
func (m *meter) left() int64 { return m.attempt.call.money.reserved - m.attempt.call.money.spent }

// paid reports whether so many bytes more are within what was reserved.
func (m *meter) paid(r dialect.Reading, more int64) bool { return m.cost(r, more) <= m.left() }

// cost is that of an answer that says so many bytes more. Where nobody knows, it is settled in the end.
func (m *meter) cost(r dialect.Reading, more int64) int64 {
	r.Said += more
	cost, _, known := m.attempt.cost(m.attempt.guess(r))
	if !known {
		return m.left()
	}
	return cost
}

// extend reserves what an answer of the usual length costs beyond what this one has said; where a budget hasn't so much
// left, a part of it.
func (m *meter) extend(r dialect.Reading) (err error) {
	call := m.attempt.call
	for _, part := range [...]int64{1, 4, 16} {
		slice := m.cost(r, usualOutput*bytesPerToken/part) - m.cost(r, 0)
		if err = call.reservation.Extend(m.ctx, slice); err == nil {
			call.money.reserved += slice
			return nil
		}
		if fault.From(err).Reason != errorsv1.Reason_REASON_BUDGET_EXHAUSTED {
			break
		}
	}
	return inTime(err)
}

// inTime turns the refusal of a question that found no answer in time, after which another target would be asked, into one
// that ends a stream.
func inTime(err error) error {
	if !provider.Unasked(err) {
		return err
	}
	return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
		"the stream cost what was reserved for it, and whether its budget has more couldn't be checked in time").Because(err)
}
