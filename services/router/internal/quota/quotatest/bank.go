// Package quotatest is a service of limits for tests that knows budgets and nothing else.
package quotatest

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/money"
)

// Bank holds accounts to their budgets, exactly. The zero value is ready; periods end in an hour. Safe for concurrent use.
type Bank struct {
	ratelimitv1.RateLimitServiceClient

	mu    sync.Mutex
	tills map[string]*Till
	open  map[string]int64
	// reserves counts what was admitted.
	reserves int
}

// Till is how one account stands, in 10^-12 US dollars; Most is the most that was spent and held together.
type Till struct{ Spent, Held, Most int64 }

func (t *Till) add(held, spent int64) {
	t.Held, t.Spent = t.Held+held, t.Spent+spent
	t.Most = max(t.Most, t.Held+t.Spent)
}

func (b *Bank) till(id string) *Till {
	if b.tills == nil {
		b.tills, b.open = make(map[string]*Till), make(map[string]int64)
	}
	if b.tills[id] == nil {
		b.tills[id] = &Till{}
	}
	return b.tills[id]
}

// Till returns how the account of a key or a tenant stands.
func (b *Bank) Till(id string) Till {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.till(id)
}

// Reserves counts the reservations that were made.
func (b *Bank) Reserves() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reserves
}

// Reserve implements RateLimitServiceClient.
func (b *Bank) Reserve(_ context.Context, r *ratelimitv1.ReserveRequest, _ ...grpc.CallOption) (*ratelimitv1.ReserveResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range r.GetScopes() {
		limit, err := money.FromUSD(s.GetLimits().GetBudgetUsd())
		t := b.till(s.GetId())
		left := limit - t.Held - t.Spent
		if err != nil || (limit > 0 && r.GetCostPicoUsd() > left) {
			return &ratelimitv1.ReserveResponse{Refusal: &ratelimitv1.Refusal{
				Balance: &ratelimitv1.Balance{
					Scope: s.GetKind(), Dimension: ratelimitv1.Dimension_DIMENSION_BUDGET, Limit: limit, Remaining: left,
				},
				RetryAfter: durationpb.New(time.Hour), Never: r.GetCostPicoUsd() > limit,
			}}, nil
		}
	}
	for _, s := range r.GetScopes() {
		b.till(s.GetId()).add(r.GetCostPicoUsd(), 0)
	}
	b.open[r.GetReservationId()] = r.GetCostPicoUsd()
	b.reserves++
	return &ratelimitv1.ReserveResponse{}, nil
}

// Settle implements RateLimitServiceClient.
func (b *Bank) Settle(_ context.Context, r *ratelimitv1.SettleRequest, _ ...grpc.CallOption) (*ratelimitv1.SettleResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held, ok := b.open[r.GetReservationId()]
	if !ok {
		return &ratelimitv1.SettleResponse{}, nil
	}
	delete(b.open, r.GetReservationId())
	for _, s := range r.GetScopes() {
		b.till(s.GetId()).add(-held, r.GetCostPicoUsd())
	}
	return &ratelimitv1.SettleResponse{}, nil
}

// SettleMany implements RateLimitServiceClient.
func (b *Bank) SettleMany(ctx context.Context, r *ratelimitv1.SettleManyRequest, _ ...grpc.CallOption) (*ratelimitv1.SettleManyResponse, error) {
	for _, s := range r.GetSettlements() {
		_, _ = b.Settle(ctx, s)
	}
	return &ratelimitv1.SettleManyResponse{}, nil
}

// Lease implements RateLimitServiceClient: nothing is lent.
func (b *Bank) Lease(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[ratelimitv1.LeaseRequest, ratelimitv1.LeaseResponse], error) {
	return nil, status.Error(codes.Unavailable, "a bank of tests lends nothing")
}
