// Package serve answers RateLimitService: it reads messages, asks the accounts and writes messages.
package serve

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/guard"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/seed"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Server answers RateLimitService. Safe for concurrent use.
type Server struct {
	ratelimitv1.UnimplementedRateLimitServiceServer

	Guard *guard.Guard
	// Seeder opens budgets that aren't known.
	Seeder *seed.Seeder
	// Lookup finds a key by its id; nil finds none.
	Lookup func(ctx context.Context, keyID string) (auth.Principal, bool)
	// Valid is how long a grant may be spent, unless it is little.
	Valid time.Duration

	draining atomic.Bool
	tenants  atomic.Pointer[map[string]store.Limits]
}

// SetTenants replaces the limits of whole tenants.
func (s *Server) SetTenants(tenants map[string]*ratelimitv1.Limits) {
	all := make(map[string]store.Limits, len(tenants))
	for name, l := range tenants {
		all[name] = limits(l)
	}
	s.tenants.Store(&all)
}

// limitsOf returns the limits of a whole tenant.
func (s *Server) limitsOf(tenant string) store.Limits {
	if all := s.tenants.Load(); all != nil {
		return (*all)[tenant]
	}
	return store.Limits{}
}

// defaultHold is how long a reservation may be open: longer than the longest stream.
const defaultHold = 15 * time.Minute

// Reserve decides about one call.
func (s *Server) Reserve(ctx context.Context, r *ratelimitv1.ReserveRequest) (*ratelimitv1.ReserveResponse, error) {
	hold := defaultHold
	if r.GetHold() != nil {
		hold = r.GetHold().AsDuration()
	}
	answer, alone, err := s.reserve(ctx, store.Call{
		ID: r.GetReservationId(), Holder: r.GetHolder(), Tenant: r.GetTenant(),
		Scopes: scopes(r.GetScopes()), Tokens: r.GetTokens(), Cost: r.GetCostPicoUsd(), Hold: hold, Deferred: r.GetDeferred(),
	})
	if err != nil {
		return nil, unavailable(err)
	}
	return &ratelimitv1.ReserveResponse{
		Refusal: refusal(answer.Refusal), Balances: balances(answer.Balances), Degraded: alone,
	}, nil
}

// patience is how long a caller waits for a budget to be opened.
const patience = 20 * time.Millisecond

// reserve decides about a call; where a budget isn't known yet, once more as soon as it is.
func (s *Server) reserve(ctx context.Context, c store.Call) (a store.Answer, alone bool, err error) {
	a, alone, err = s.Guard.Reserve(ctx, c)
	if err != nil || alone || a.Refusal == nil {
		return a, alone, err
	}
	opened, wait := s.open(ctx, c.Tenant, c.Scopes, a.Balances)
	if opened {
		return s.Guard.Reserve(ctx, c)
	}
	if wait > 0 && a.Refusal.Balance.Unseeded {
		a.Refusal.RetryAfter = wait
	}
	return a, alone, nil
}

// open begins to open the budgets that aren't known, and reports whether there were any and all are open now, and otherwise
// how long to wait where that is known.
func (s *Server) open(ctx context.Context, tenant string, scopes []store.Scope, b []store.Balance) (opened bool, wait time.Duration) {
	unknown := seed.Unknown(tenant, scopes, b)
	if len(unknown) == 0 {
		return false, 0
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.Seeder.Open(ctx, unknown)
}

// Settle ends a reservation.
func (s *Server) Settle(ctx context.Context, r *ratelimitv1.SettleRequest) (*ratelimitv1.SettleResponse, error) {
	if err := s.Guard.Settle(ctx, settlement(r)); err != nil {
		return nil, unavailable(err)
	}
	return &ratelimitv1.SettleResponse{}, nil
}

// SettleMany ends reservations one by one.
func (s *Server) SettleMany(ctx context.Context, r *ratelimitv1.SettleManyRequest) (*ratelimitv1.SettleManyResponse, error) {
	answer := &ratelimitv1.SettleManyResponse{}
	for i, one := range r.GetSettlements() {
		if err := s.Guard.Settle(ctx, settlement(one)); err != nil {
			answer.Failed = append(answer.Failed, int32(i)) //nolint:gosec // at most 256
		}
	}
	return answer, nil
}

func settlement(r *ratelimitv1.SettleRequest) store.Settlement {
	return store.Settlement{
		ID: r.GetReservationId(), Holder: r.GetHolder(), Tenant: r.GetTenant(),
		Scopes: scopes(r.GetScopes()), Tokens: r.GetTokens(), Cost: r.GetCostPicoUsd(), Unused: r.GetUnused(),
	}
}

func unavailable(err error) error {
	switch {
	case errors.Is(err, guard.ErrLate):
		return fault.New(errorsv1.Reason_REASON_OVERLOADED, "the limits couldn't be checked in time: repeat the request").
			Because(err).After(time.Second)
	case errors.Is(err, guard.ErrUnavailable):
		return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "the accounts of limits can't be reached").Because(err)
	case errors.Is(err, context.Canceled):
		return fault.New(errorsv1.Reason_REASON_CANCELLED, "the caller left").Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(errorsv1.Reason_REASON_TIMEOUT, "the deadline passed").With("timer", "deadline").Because(err)
	}
	return err
}
