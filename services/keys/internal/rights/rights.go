// Package rights decides what a key may make, change and see: nothing that may do more than itself.
package rights

import (
	"cmp"
	"strings"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// Operator reports whether the caller runs the whole mesh: it belongs to no tenant.
func Operator(p auth.Principal) bool { return p.Tenant == "" }

// Sees reports whether the caller may know of a tenant's keys.
func Sees(p auth.Principal, tenant string) bool { return Operator(p) || p.Tenant == tenant }

// Reads returns PERMISSION_DENIED where the caller may not look at keys.
func Reads(p auth.Principal) error {
	if p.Role == accessv1.Role_ROLE_ADMIN || p.Role == accessv1.Role_ROLE_VIEWER {
		return nil
	}
	return denied()
}

// Writes returns PERMISSION_DENIED where the caller may not make, change or revoke keys.
func Writes(p auth.Principal) error {
	if p.Role == accessv1.Role_ROLE_ADMIN {
		return nil
	}
	return denied()
}

// The contract refuses these roles before any handler runs; whoever calls one without it is refused here.
func denied() error {
	return fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED, "a key with this role may not do this")
}

// Grant fills in what the wanted key leaves open from the caller's own rights, and returns it, or EXCEEDS_OWN_RIGHTS
// with the field that asks for more than the caller has. The caller may write. The wanted key is valid in itself.
func Grant(p auth.Principal, wanted store.Key) (store.Key, error) {
	if wanted.Tenant == "" {
		wanted.Tenant = p.Account()
	}
	if Operator(p) {
		wanted.Limits.BudgetPeriod = period(wanted.Limits, month)
		return wanted, nil
	}
	if wanted.Tenant != p.Tenant {
		return wanted, exceeds("tenant", "must be your key's own")
	}
	if err := grantModels(p, &wanted); err != nil {
		return wanted, err
	}
	if err := grantLimits(p, &wanted); err != nil {
		return wanted, err
	}
	return wanted, grantExpiry(p, &wanted)
}

func grantModels(p auth.Principal, wanted *store.Key) error {
	switch {
	case len(p.Models) == 0:
		return nil
	case len(wanted.Models) == 0:
		wanted.Models = p.Models
		return nil
	}
	for _, model := range wanted.Models {
		if !covered(model, p.Models) {
			return exceeds("models", "must all be among those that your own key may ask for")
		}
	}
	return nil
}

// covered reports whether one of the owned entries allows everything that the wanted entry does.
func covered(wanted string, owned []string) bool {
	names, _ := strings.CutSuffix(wanted, "*")
	for _, own := range owned {
		prefix, wild := strings.CutSuffix(own, "*")
		if own == wanted || (wild && strings.HasPrefix(names, prefix)) {
			return true
		}
	}
	return false
}

func grantLimits(p auth.Principal, wanted *store.Key) error {
	limits := []struct {
		field  string
		own    int64
		wanted *int64
	}{
		{"limits.requests_per_minute", p.Limits.GetRequestsPerMinute(), &wanted.Limits.RequestsPerMinute},
		{"limits.tokens_per_minute", p.Limits.GetTokensPerMinute(), &wanted.Limits.TokensPerMinute},
		{"limits.concurrent_requests", p.Limits.GetConcurrentRequests(), &wanted.Limits.ConcurrentRequests},
	}
	for _, l := range limits {
		switch {
		case l.own == 0: // not limited itself
		case *l.wanted == 0:
			*l.wanted = l.own
		case *l.wanted > l.own:
			return exceeds(l.field, "must be at most your own key's, %d", l.own)
		}
	}
	return grantBudget(p, wanted)
}

const (
	month = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_MONTH
	total = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL
)

// period is that of a budget, or the default one; unset where there is no budget.
func period(l store.Limits, otherwise ratelimitv1.BudgetPeriod) ratelimitv1.BudgetPeriod {
	if l.Budget == 0 {
		return 0
	}
	return cmp.Or(l.BudgetPeriod, otherwise)
}

// grantBudget compares amounts of the same period only, or an amount for ever, which is never spent faster than that: what
// a month of 30 dollars a day comes to depends on the month, and nobody should have to reckon what a key may spend.
func grantBudget(p auth.Principal, wanted *store.Key) error {
	own := store.Limits{BudgetPeriod: p.Limits.GetBudgetPeriod()}
	own.Budget, _ = money.FromUSD(p.Limits.GetBudgetUsd())
	own.BudgetPeriod = period(own, month)
	l := &wanted.Limits
	l.BudgetPeriod = period(*l, cmp.Or(own.BudgetPeriod, month))
	switch {
	case own.Budget == 0:
	case l.Budget == 0:
		l.Budget, l.BudgetPeriod = own.Budget, own.BudgetPeriod
	case l.BudgetPeriod != own.BudgetPeriod && l.BudgetPeriod != total:
		return exceeds("limits.budget_period", "must be your own key's, %s, or BUDGET_PERIOD_TOTAL", own.BudgetPeriod)
	case l.Budget > own.Budget:
		return exceeds("limits.budget_usd", "must be at most your own key's, %s", money.USD(own.Budget))
	}
	return nil
}

func grantExpiry(p auth.Principal, wanted *store.Key) error {
	switch {
	case p.Expires.IsZero():
	case wanted.Expires.IsZero():
		wanted.Expires = store.Time(p.Expires)
	case wanted.Expires.After(p.Expires):
		return exceeds("expires_at", "must not be after your own key's, %s", p.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

func exceeds(field, format string, args ...any) error {
	return fault.New(errorsv1.Reason_REASON_EXCEEDS_OWN_RIGHTS, field+" "+format, args...).With("field", field)
}
