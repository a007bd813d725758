// Package quotatest is a service of limits for tests that knows budgets and tokens and nothing else.
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

// Bank holds accounts to their budgets and their tokens, exactly. The zero value is ready; periods end in an hour, and a
// minute never passes: tokens that are spent don't come back. Safe for concurrent use.
type Bank struct {
	ratelimitv1.RateLimitServiceClient

	mu    sync.Mutex
	tills map[string]*both
	open  map[string]*ratelimitv1.ReserveRequest
	// reserves counts what was admitted.
	reserves int
}

// Till is how one account stands, in 10^-12 US dollars or in tokens; Most is the most that was spent and held together.
type Till struct{ Spent, Held, Most int64 }

func (t *Till) add(held, spent int64) {
	t.Held, t.Spent = t.Held+held, t.Spent+spent
	t.Most = max(t.Most, t.Held+t.Spent)
}

// both are an account's tills.
type both struct{ money, tokens Till }

func (b *Bank) till(id string) *both {
	if b.tills == nil {
		b.tills, b.open = make(map[string]*both), make(map[string]*ratelimitv1.ReserveRequest)
	}
	if b.tills[id] == nil {
		b.tills[id] = &both{}
	}
	return b.tills[id]
}

// Till returns how the budget of a key or a tenant stands.
func (b *Bank) Till(id string) Till {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.till(id).money
}

// Tokens returns how the tokens of a key or a tenant stand.
func (b *Bank) Tokens(id string) Till {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.till(id).tokens
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
		if refusal := b.refusal(r, s); refusal != nil {
			return &ratelimitv1.ReserveResponse{Refusal: refusal}, nil
		}
	}
	for _, s := range r.GetScopes() {
		b.till(s.GetId()).money.add(r.GetCostPicoUsd(), 0)
		b.till(s.GetId()).tokens.add(r.GetTokens(), 0)
	}
	b.open[r.GetReservationId()] = r
	b.reserves++
	return &ratelimitv1.ReserveResponse{}, nil
}

// refusal is that of an account which hasn't got what is asked for.
func (b *Bank) refusal(r *ratelimitv1.ReserveRequest, s *ratelimitv1.Scope) *ratelimitv1.Refusal {
	t, tokens := b.till(s.GetId()), s.GetLimits().GetTokensPerMinute()
	usd, err := money.FromUSD(s.GetLimits().GetBudgetUsd())
	switch left := usd - t.money.Held - t.money.Spent; {
	case err != nil, usd > 0 && r.GetCostPicoUsd() > left:
		return refused(s, ratelimitv1.Dimension_DIMENSION_BUDGET, usd, left, r.GetCostPicoUsd(), time.Hour)
	}
	if left := tokens - t.tokens.Held - t.tokens.Spent; tokens > 0 && r.GetTokens() > max(left, 0) {
		return refused(s, ratelimitv1.Dimension_DIMENSION_TOKENS, tokens, left, r.GetTokens(), time.Minute)
	}
	return nil
}

func refused(s *ratelimitv1.Scope, d ratelimitv1.Dimension, limit, left, asked int64, wait time.Duration) *ratelimitv1.Refusal {
	return &ratelimitv1.Refusal{
		Balance:    &ratelimitv1.Balance{Scope: s.GetKind(), Dimension: d, Limit: limit, Remaining: left},
		RetryAfter: durationpb.New(wait), Never: asked > limit,
	}
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
		b.till(s.GetId()).money.add(-held.GetCostPicoUsd(), r.GetCostPicoUsd())
		b.till(s.GetId()).tokens.add(-held.GetTokens(), r.GetTokens())
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
