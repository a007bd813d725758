package account

import (
	"context"

	"github.com/headgate-mesh/headgate/dialect"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// mostPerToken is more than the tokens of any text have bytes: an answer that says so much has left its declared bound
// behind. Before that the provider holds it to its bound, and an estimate would only be worse.
const mostPerToken = 4 * bytesPerToken

// step is how many bytes of an answer pass between two looks at what it uses, fine how many where the end is near.
const step, fine = 256 * bytesPerToken, 16 * bytesPerToken

// meter watches what a stream without a declared bound, or one that has left it behind, uses while it runs, and reserves
// more as it goes on: of tokens, of money, or of both. It belongs to one goroutine.
type meter struct {
	ctx     context.Context //nolint:containedctx // the attempt's: more is reserved in its name
	attempt *Attempt
	// next is how much the answer has to have said for the next look, in bytes; count is how many tokens of it the provider
	// has to have counted, where it counts as it goes.
	next, count int64
	// quiet is how many bytes of frames, at least, come before either.
	quiet int64
	// refused is why no more could be reserved: what is there may still be used up, then it is tried once more.
	refused error
}

// watch returns the meter of a stream whose account has a limit that a stream can cross; nil for any other call.
func (c *Call) watch(ctx context.Context, a *Attempt) *meter {
	if !c.ask.Stream || (c.money == nil && !c.metered) {
		return nil
	}
	m := &meter{
		ctx: ctx, attempt: a, next: max(step, c.ask.Output*mostPerToken), count: max(step/bytesPerToken, c.ask.Output+1),
	}
	m.rest(dialect.Reading{})
	return m
}

// Due reports whether a stream may have come far enough, by a frame of so many bytes, for Afford to be called: it costs
// nothing, while a Reading may. An answer that isn't metered never does.
func (a *Attempt) Due(frame int) bool {
	m := a.meter
	if m == nil {
		return false
	}
	m.quiet -= int64(frame)
	return m.quiet <= 0
}

// Afford returns RATE_LIMITED or BUDGET_EXHAUSTED, or why a limit can't be checked, where a metered stream has used all that
// was reserved for it and there is no more: it has to end. It may ask for more, which takes at most as long as Reserve.
func (a *Attempt) Afford(r dialect.Reading) error {
	m := a.meter
	if m == nil {
		return nil
	}
	defer m.rest(r)
	if !m.due(r) {
		return nil
	}
	if !m.paid(r, 2*step) && (m.refused == nil || !m.paid(r, fine)) {
		m.refused = m.extend(r)
	}
	switch {
	case m.paid(r, step):
		m.look(r, step)
	case m.refused == nil, m.paid(r, fine), ended(r) && m.paid(r, 0):
		m.look(r, fine)
	default:
		return m.refused
	}
	return nil
}

// due reports whether it is time to look. A count that comes with the answer's end is no reason to: nothing follows.
func (m *meter) due(r dialect.Reading) bool {
	return r.Said >= m.next || (r.Usage.GetOutputTokens() >= m.count && !ended(r))
}

func ended(r dialect.Reading) bool { return r.Finish != llmv1.FinishReason_FINISH_REASON_UNSPECIFIED }

// look says when to look again: after so many bytes, or as many tokens as they are.
func (m *meter) look(r dialect.Reading, after int64) {
	m.next, m.count = r.Said+after, r.Usage.GetOutputTokens()+after/bytesPerToken
}

// framePerToken is less than the bytes of a frame for each token of it, where the provider counts in every frame.
const framePerToken = 2 * bytesPerToken

// rest notes how far it is to the next look: a frame is longer than what it says.
func (m *meter) rest(r dialect.Reading) {
	m.quiet = min(m.next-r.Said, sum(m.count, -r.Usage.GetOutputTokens())*framePerToken)
}
