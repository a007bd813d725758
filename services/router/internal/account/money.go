package account

import (
	"math"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// money is what a call of an account with a budget costs, in 10^-12 US dollars.
type money struct {
	// estimate is the most that one attempt can cost, by what is known beforehand; reserved is at least that, and more where
	// a stream went on.
	estimate, reserved int64
	// spent is what the attempts cost that are over.
	spent int64
}

// price finds the targets that have a price, and what the call can cost at the dearest of them. Counting tokens costs
// nothing anywhere. Without any it returns PRICE_UNKNOWN.
func (d *Desk) price(ask Ask) (*money, []catalog.Target, error) {
	if ask.Operation == observe.CountTokens {
		return &money{}, ask.Targets, nil
	}
	if d.Prices == nil {
		return nil, nil, priceUnknown()
	}
	m := &money{}
	var priced []catalog.Target
	for _, t := range ask.Targets {
		if cost, ok := most(ask, t, d.Prices.Cost); ok {
			priced, m.estimate = append(priced, t), max(m.estimate, cost)
		}
	}
	if len(priced) == 0 {
		return nil, nil, priceUnknown()
	}
	m.reserved = m.estimate
	return m, priced, nil
}

func priceUnknown() error {
	return fault.New(errorsv1.Reason_REASON_PRICE_UNKNOWN,
		"the key or its tenant has a budget, and nobody knows what the model costs: the operator has to add it to the price table").
		With("field", "model")
}

// most is the most that a call can cost at a target, by prices such as Prices.Cost. Providers may write all of the input to
// their cache and think all of the output, where that costs more.
func most(ask Ask, t catalog.Target, price func(kind, model string, u *llmv1.TokenUsage) (int64, string, bool)) (picoUSD int64, known bool) {
	input, output := ask.most()
	u := &llmv1.TokenUsage{InputTokens: input, OutputTokens: output}
	picoUSD, _, known = price(t.Provider.Kind, t.Model, u)
	if !known {
		return 0, false
	}
	u.CacheWriteTokens, u.ReasoningTokens = input, output
	if dearer, _, ok := price(t.Provider.Kind, t.Model, u); ok {
		picoUSD = max(picoUSD, dearer)
	}
	return picoUSD, true
}

// spend notes what an attempt costs that ends so. Where nobody can tell, though the provider was asked, it is what was
// expected of it.
func (m *money) spend(a *Attempt, tokens *llmv1.TokenUsage, err error) {
	cost, _, known := a.cost(tokens)
	if !known && (tokens != nil || a.unheard(err)) {
		cost = m.estimate
	}
	if m.spent += cost; m.spent < 0 {
		m.spent = math.MaxInt64
	}
}

// unheard reports whether an attempt reached the provider, and nobody waited for what came of it: it goes on there.
func (a *Attempt) unheard(err error) bool {
	if err == nil || a.status != 0 || a.call.ask.Operation == observe.CountTokens {
		return false
	}
	f := fault.From(err)
	switch f.Reason {
	case errorsv1.Reason_REASON_CANCELLED:
		return true
	case errorsv1.Reason_REASON_TIMEOUT:
		return f.Metadata["timer"] != upstream.TimerConnect
	}
	return false
}
