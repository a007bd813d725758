package serve

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

const (
	maxID     = 200  // bytes of a reservation id
	maxName   = 200  // bytes of any other name
	maxScopes = 4    // of a call
	maxStocks = 1000 // of a renewal
	maxHold   = 24 * time.Hour
	// maxDeferred is longer than any provider takes for a batch, and within what an account remembers.
	maxDeferred = 48 * time.Hour

	maxSettlements = 256 // of a message
)

// Validate checks a request message before its handler sees it. Errors are MISSING_FIELD and INVALID_FIELD with the
// field's path. What isn't a request of RateLimitService passes.
func Validate(m proto.Message) error {
	switch r := m.(type) {
	case *ratelimitv1.ReserveRequest:
		return cmp.Or(ids(r), call(r), amount("tokens", r.GetTokens()), cost(r.GetCostPicoUsd()), hold(r))
	case *ratelimitv1.SettleRequest:
		return settled(r)
	case *ratelimitv1.SettleManyRequest:
		return many(r.GetSettlements())
	case *ratelimitv1.LeaseRequest:
		return cmp.Or(name("holder", r.GetHolder()), stocks(r.GetStocks()))
	case *ratelimitv1.GetQuotaRequest:
		if len(r.GetKeyId()) > maxName {
			return invalid("key_id", "must be at most %d bytes", maxName)
		}
	}
	return nil
}

func settled(r *ratelimitv1.SettleRequest) error {
	return cmp.Or(ids(r), call(r), amount("tokens", r.GetTokens()), cost(r.GetCostPicoUsd()))
}

func many(list []*ratelimitv1.SettleRequest) error {
	if len(list) > maxSettlements {
		return invalid("settlements", "must be at most %d", maxSettlements)
	}
	for i, r := range list {
		var f *fault.Error
		if err := settled(r); errors.As(err, &f) {
			return invalid("settlements["+strconv.Itoa(i)+"]."+f.Metadata["field"], "isn't as it has to be: %s", f.Message)
		}
	}
	return nil
}

func ids(r interface {
	GetReservationId() string
	GetHolder() string
	GetTenant() string
},
) error {
	if r.GetReservationId() == "" {
		return missing("reservation_id", "choose an id that is unique for each call")
	}
	if len(r.GetReservationId()) > maxID {
		return invalid("reservation_id", "must be at most %d bytes", maxID)
	}
	return cmp.Or(name("holder", r.GetHolder()), name("tenant", r.GetTenant()))
}

func call(r interface{ GetScopes() []*ratelimitv1.Scope }) error {
	switch n := len(r.GetScopes()); {
	case n == 0:
		return missing("scopes", "name at least one account")
	case n > maxScopes:
		return invalid("scopes", "must be at most %d accounts", maxScopes)
	}
	for i, s := range r.GetScopes() {
		if err := account("scopes["+strconv.Itoa(i)+"]", s); err != nil {
			return err
		}
	}
	return nil
}

func hold(r *ratelimitv1.ReserveRequest) error {
	longest := maxHold
	if r.GetDeferred() {
		longest = maxDeferred
	}
	if h := r.GetHold(); h != nil && (h.CheckValid() != nil || h.AsDuration() <= 0 || h.AsDuration() > longest) {
		return invalid("hold", "must be more than 0 and at most 24h, or 48h where the call is deferred")
	}
	return nil
}

func cost(v int64) error {
	if v < 0 || v > store.MaxMoney {
		return invalid("cost_pico_usd", "must be from 0 to %d", int64(store.MaxMoney))
	}
	return nil
}

// budget checks the money of limits: an amount, and a period where there is one.
func budget(path string, l *ratelimitv1.Limits) error {
	if _, err := money.FromUSD(l.GetBudgetUsd()); err != nil {
		return invalid(path+".budget_usd", "%s", err.Error())
	}
	switch p := l.GetBudgetPeriod(); {
	case p < 0 || p > store.Total:
		return invalid(path+".budget_period", "must be BUDGET_PERIOD_DAY, BUDGET_PERIOD_MONTH or BUDGET_PERIOD_TOTAL")
	case p > 0 && l.GetBudgetUsd() == 0:
		return invalid(path+".budget_period", "must be unset where budget_usd is")
	}
	return nil
}

func account(path string, s *ratelimitv1.Scope) error {
	switch s.GetKind() {
	case ratelimitv1.ScopeKind_SCOPE_KIND_KEY, ratelimitv1.ScopeKind_SCOPE_KIND_TENANT:
	default:
		return invalid(path+".kind", "must be SCOPE_KIND_KEY or SCOPE_KIND_TENANT")
	}
	l := s.GetLimits()
	return cmp.Or(
		name(path+".id", s.GetId()),
		amount(path+".limits.requests_per_minute", l.GetRequestsPerMinute()),
		amount(path+".limits.tokens_per_minute", l.GetTokensPerMinute()),
		amount(path+".limits.concurrent_requests", l.GetConcurrentRequests()),
		budget(path+".limits", l))
}

func stocks(list []*ratelimitv1.Stock) error {
	if len(list) > maxStocks {
		return invalid("stocks", "must be at most %d accounts", maxStocks)
	}
	for i, s := range list {
		path := "stocks[" + strconv.Itoa(i) + "]"
		err := cmp.Or(
			name(path+".tenant", s.GetTenant()), account(path+".scope", s.GetScope()),
			span(path+".requests", s.GetRequests()), span(path+".tokens", s.GetTokens()),
			amount(path+".places", s.GetPlaces()), amount(path+".places_used", s.GetPlacesUsed()),
			amount(path+".want_requests", s.GetWantRequests()), amount(path+".want_tokens", s.GetWantTokens()))
		if err != nil {
			return err
		}
	}
	return nil
}

func name(field, v string) error {
	switch {
	case v == "":
		return missing(field, "name it")
	case len(v) > maxName:
		return invalid(field, "must be at most %d bytes", maxName)
	}
	return nil
}

func amount(field string, v int64) error {
	if v < 0 || v > bucket.MaxLimit {
		return invalid(field, "must be from 0 to %d", int64(bucket.MaxLimit))
	}
	return nil
}

// span is an amount that may be negative.
func span(field string, v int64) error { return amount(field, max(v, -v)) }

func missing(field, remedy string) error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s is required: %s", field, remedy).With("field", field)
}

func invalid(field, format string, args ...any) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", field, fmt.Sprintf(format, args...)).With("field", field)
}
