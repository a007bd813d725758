package rights_test

import (
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// TestBudget: whoever has a budget makes no key that may spend more of it, in the same period.
func TestBudget(t *testing.T) {
	t.Parallel()
	const (
		unset = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_UNSPECIFIED
		day   = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY
		month = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_MONTH
		total = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL
	)
	type budget struct {
		usd    int64
		period ratelimitv1.BudgetPeriod
	}
	none := budget{}
	cases := []struct {
		name              string
		own, wanted, want budget
		field             string
	}{
		{"none of either", none, none, none, ""},
		{"one where there was none", none, budget{5, unset}, budget{5, month}, ""},
		{"inherited", budget{10, day}, none, budget{10, day}, ""},
		{"inherited, of no period", budget{10, unset}, none, budget{10, month}, ""},
		{"as much", budget{10, day}, budget{10, day}, budget{10, day}, ""},
		{"less, in the own period", budget{10, day}, budget{9, unset}, budget{9, day}, ""},
		{"more", budget{10, day}, budget{11, day}, none, "limits.budget_usd"},
		{"less, but each day of a month", budget{10, month}, budget{1, day}, none, "limits.budget_period"},
		{"as much, in a longer period", budget{10, day}, budget{10, month}, none, "limits.budget_period"},
		{"as much for ever", budget{10, day}, budget{10, total}, budget{10, total}, ""},
		{"more for ever", budget{10, day}, budget{11, total}, none, "limits.budget_usd"},
		{"of what is for ever, some each day", budget{10, total}, budget{1, day}, none, "limits.budget_period"},
	}
	for _, c := range cases {
		p := free()
		p.Limits = &ratelimitv1.Limits{BudgetUsd: float64(c.own.usd), BudgetPeriod: c.own.period}
		k, err := rights.Grant(p, store.Key{Limits: store.Limits{Budget: c.wanted.usd * money.Dollar, BudgetPeriod: c.wanted.period}})
		if c.field != "" {
			if f := fault.From(err); err == nil || f.Reason != errorsv1.Reason_REASON_EXCEEDS_OWN_RIGHTS || f.Metadata["field"] != c.field {
				t.Errorf("%s: %+v, %v", c.name, k.Limits, err)
			}
			continue
		}
		if want := (store.Limits{Budget: c.want.usd * money.Dollar, BudgetPeriod: c.want.period}); err != nil || k.Limits != want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, k.Limits, err, want)
		}
	}
	k, err := rights.Grant(operator(), store.Key{Limits: store.Limits{Budget: money.Dollar}})
	if err != nil || k.Limits.BudgetPeriod != month {
		t.Errorf("an operator's, of no period: %+v, %v", k.Limits, err)
	}
}
