package quota_test

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
)

// fake is a service of limits in little: exact, in memory, and it can be made not to answer.
type fake struct {
	clock func() time.Time

	mu       sync.Mutex
	accounts map[string]*shared
	calls    map[string]*reserved
	stalled  chan struct{} // closed when it answers again; nil while it answers
	down     bool
	degraded bool
	unseeded bool
	long     bool // what is next to nothing of the limits is granted for long

	reserves, settles, messages int
	holders                     map[string]bool
}

type shared struct {
	requests, tokens bucket.Bucket
	leased           map[string]*lease
	places           int64
	money            till
}

type lease struct {
	sequence                 int64
	requests, tokens, places int64
	late                     bucket.Claim
	answer                   *ratelimitv1.Stock
}

type reserved struct {
	claims  map[string]bucket.Claim
	tokens  int64
	cost    int64
	settled bool
}

func newFake(clock func() time.Time) *fake {
	return &fake{clock: clock, accounts: make(map[string]*shared), calls: make(map[string]*reserved), holders: make(map[string]bool)}
}

// stall makes every call wait for its deadline; the returned function ends that.
func (f *fake) stall() (resume func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan struct{})
	f.stalled = c
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stalled = nil
		close(c)
	}
}

// overtake answers those who come now, while those who wait go on waiting.
func (f *fake) overtake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stalled = nil
}

func (f *fake) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// enter waits while the service is stalled and fails while it is down.
func (f *fake) enter(ctx context.Context) error {
	f.mu.Lock()
	stalled, down := f.stalled, f.down
	f.mu.Unlock()
	if down {
		return status.Error(codes.Unavailable, "down")
	}
	if stalled != nil {
		select {
		case <-stalled:
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	return nil
}

func (f *fake) shared(tenant string, s *ratelimitv1.Scope) *shared {
	id := tenant + s.GetKind().String() + s.GetId()
	a, ok := f.accounts[id]
	if !ok {
		a = &shared{leased: make(map[string]*lease)}
		f.accounts[id] = a
	}
	now := f.clock()
	if n := s.GetLimits().GetRequestsPerMinute(); n > 0 {
		a.requests.Advance(n, now)
	}
	if n := s.GetLimits().GetTokensPerMinute(); n > 0 {
		a.tokens.Advance(n, now)
	}
	return a
}

func (f *fake) Reserve(ctx context.Context, r *ratelimitv1.ReserveRequest, _ ...grpc.CallOption) (*ratelimitv1.ReserveResponse, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserves++
	if c := f.calls[r.GetReservationId()]; c != nil {
		return &ratelimitv1.ReserveResponse{}, nil
	}
	for _, s := range r.GetScopes() {
		if refusal := f.refusal(r, s); refusal != nil {
			return &ratelimitv1.ReserveResponse{Refusal: refusal, Degraded: f.degraded}, nil
		}
	}
	c := &reserved{claims: make(map[string]bucket.Claim), tokens: r.GetTokens(), cost: r.GetCostPicoUsd()}
	answer := &ratelimitv1.ReserveResponse{Degraded: f.degraded}
	for _, s := range r.GetScopes() {
		a := f.shared(r.GetTenant(), s)
		if s.GetLimits().GetConcurrentRequests() > 0 && !r.GetDeferred() {
			a.places++
		}
		if s.GetLimits().GetRequestsPerMinute() > 0 {
			a.requests.Take(1)
		}
		c.claims[s.GetId()] = a.tokens.Take(r.GetTokens())
		answer.Balances = append(answer.Balances, &ratelimitv1.Balance{
			Scope: s.GetKind(), Dimension: ratelimitv1.Dimension_DIMENSION_REQUESTS,
			Limit: s.GetLimits().GetRequestsPerMinute(), Remaining: a.requests.Left(), ResetAfter: durationpb.New(a.requests.Reset()),
		})
		if n := s.GetLimits().GetTokensPerMinute(); n > 0 {
			answer.Balances = append(answer.Balances, &ratelimitv1.Balance{
				Scope: s.GetKind(), Dimension: ratelimitv1.Dimension_DIMENSION_TOKENS,
				Limit: n, Remaining: a.tokens.Left(), ResetAfter: durationpb.New(a.tokens.Reset()),
			})
		}
		if s.GetLimits().GetBudgetUsd() > 0 {
			a.money.hold(r.GetCostPicoUsd())
			answer.Balances = append(answer.Balances, a.money.balance(s))
		}
	}
	f.calls[r.GetReservationId()] = c
	return answer, nil
}

func (f *fake) refusal(r *ratelimitv1.ReserveRequest, s *ratelimitv1.Scope) *ratelimitv1.Refusal {
	a, l := f.shared(r.GetTenant(), s), s.GetLimits()
	no := func(d ratelimitv1.Dimension, limit int64, wait time.Duration) *ratelimitv1.Refusal {
		return &ratelimitv1.Refusal{
			Balance: &ratelimitv1.Balance{Scope: s.GetKind(), Dimension: d, Limit: limit}, RetryAfter: durationpb.New(wait),
		}
	}
	switch {
	case l.GetRequestsPerMinute() > 0 && a.requests.Wait(1) > 0:
		return no(ratelimitv1.Dimension_DIMENSION_REQUESTS, l.GetRequestsPerMinute(), a.requests.Wait(1))
	case l.GetTokensPerMinute() > 0 && r.GetTokens() > 0 && a.tokens.Wait(r.GetTokens()) > 0:
		refusal := no(ratelimitv1.Dimension_DIMENSION_TOKENS, l.GetTokensPerMinute(), a.tokens.Wait(min(r.GetTokens(), l.GetTokensPerMinute())))
		refusal.Balance.Remaining, refusal.Never = a.tokens.Left(), r.GetTokens() > l.GetTokensPerMinute()
		return refusal
	case l.GetConcurrentRequests() > 0 && a.taken() >= l.GetConcurrentRequests():
		return no(ratelimitv1.Dimension_DIMENSION_CONCURRENCY, l.GetConcurrentRequests(), time.Second)
	case l.GetBudgetUsd() > 0:
		return a.money.refusal(r, s, f.unseeded)
	}
	return nil
}

func (a *shared) taken() int64 {
	n := a.places
	for _, l := range a.leased {
		n += l.places
	}
	return n
}

func (f *fake) Settle(ctx context.Context, r *ratelimitv1.SettleRequest, _ ...grpc.CallOption) (*ratelimitv1.SettleResponse, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settles++
	c := f.calls[r.GetReservationId()]
	if c == nil {
		f.calls[r.GetReservationId()] = &reserved{settled: true}
		return &ratelimitv1.SettleResponse{}, nil
	}
	if c.settled {
		return &ratelimitv1.SettleResponse{}, nil
	}
	c.settled = true
	for _, s := range r.GetScopes() {
		a := f.shared(r.GetTenant(), s)
		if s.GetLimits().GetConcurrentRequests() > 0 {
			a.places--
		}
		a.tokens.Return(c.claims[s.GetId()], c.tokens-r.GetTokens())
		a.tokens.Spend(max(0, r.GetTokens()-c.tokens))
		a.money.settle(c.cost, r.GetCostPicoUsd())
	}
	return &ratelimitv1.SettleResponse{}, nil
}

func (f *fake) SettleMany(ctx context.Context, r *ratelimitv1.SettleManyRequest, _ ...grpc.CallOption) (*ratelimitv1.SettleManyResponse, error) {
	for _, one := range r.GetSettlements() {
		if _, err := f.Settle(ctx, one); err != nil {
			return nil, err
		}
	}
	return &ratelimitv1.SettleManyResponse{}, nil
}

func (f *fake) renew(r *ratelimitv1.LeaseRequest) *ratelimitv1.LeaseResponse {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages++
	f.holders[r.GetHolder()] = true
	answer := &ratelimitv1.LeaseResponse{
		Sequence: r.GetSequence(), ValidFor: durationpb.New(f.valid(r)), LiveHolders: int64(len(f.holders)), Degraded: f.degraded,
	}
	for _, s := range r.GetStocks() {
		answer.Stocks = append(answer.Stocks, f.renewOne(r, s))
	}
	return answer
}

// valid is how long grants are: longer where all that is wanted is next to nothing of the limits.
func (f *fake) valid(r *ratelimitv1.LeaseRequest) time.Duration {
	if !f.long {
		return 2 * time.Second
	}
	for _, s := range r.GetStocks() {
		l := s.GetScope().GetLimits()
		if s.GetWantRequests() > bucket.Little(l.GetRequestsPerMinute(), 1) || s.GetWantTokens() > bucket.Little(l.GetTokensPerMinute(), 1) {
			return 2 * time.Second
		}
	}
	return 8 * time.Second
}

func (f *fake) renewOne(r *ratelimitv1.LeaseRequest, s *ratelimitv1.Stock) *ratelimitv1.Stock {
	a := f.shared(s.GetTenant(), s.GetScope())
	l := a.leased[r.GetHolder()]
	if l == nil {
		l = &lease{}
		a.leased[r.GetHolder()] = l
	}
	if r.GetSequence() <= l.sequence {
		return l.answer
	}
	a.requests.Release(l.requests, max(0, s.GetRequests()))
	back := min(s.GetTokens(), l.tokens)
	a.tokens.Release(l.tokens, max(0, back))
	a.tokens.Spend(max(0, -back))
	l.late = a.tokens.Draw(l.late, s.GetTokens()-back)
	l.late = a.tokens.Join(l.late, l.tokens-max(0, back))
	part := func(want, limit, left int64) int64 {
		if left < 100 {
			return 0
		}
		return min(want, limit/32, left/8)
	}
	limits := s.GetScope().GetLimits()
	l.requests = part(s.GetWantRequests(), limits.GetRequestsPerMinute(), a.requests.Left())
	a.requests.Hold(l.requests)
	l.tokens = part(s.GetWantTokens(), limits.GetTokensPerMinute(), a.tokens.Left())
	a.tokens.Hold(l.tokens)
	l.places = 0
	if n := limits.GetConcurrentRequests(); n > 0 {
		l.places = s.GetPlacesUsed() + part(s.GetPlaces()-s.GetPlacesUsed(), n, n-a.taken()-s.GetPlacesUsed())
	}
	l.sequence = r.GetSequence()
	l.answer = &ratelimitv1.Stock{
		Requests: l.requests, Tokens: l.tokens, Places: l.places,
		RequestsLeft: a.requests.Left(), TokensLeft: a.tokens.Left(), TokensReturnable: a.tokens.Worth(l.late),
	}
	return l.answer
}

// left is what an account still has.
func (f *fake) left(tenant string, s *ratelimitv1.Scope) (requests, tokens, held int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.shared(tenant, s)
	return a.requests.Left(), a.tokens.Left(), a.requests.Held() + a.tokens.Held()
}

func (f *fake) counts() (reserves, settles, messages int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reserves, f.settles, f.messages
}

func (f *fake) GetQuota(context.Context, *ratelimitv1.GetQuotaRequest, ...grpc.CallOption) (*ratelimitv1.GetQuotaResponse, error) {
	return nil, status.Error(codes.Unimplemented, "the router doesn't ask")
}

func (f *fake) Lease(ctx context.Context, _ ...grpc.CallOption) (grpc.BidiStreamingClient[ratelimitv1.LeaseRequest, ratelimitv1.LeaseResponse], error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	return &line{ctx: ctx, fake: f}, nil
}

// line answers each message when it is asked for the answer.
type line struct {
	ctx   context.Context //nolint:containedctx // as a gRPC stream has
	fake  *fake
	asked *ratelimitv1.LeaseRequest
}

func (s *line) Send(r *ratelimitv1.LeaseRequest) error {
	s.asked = r
	return nil
}

func (s *line) Recv() (*ratelimitv1.LeaseResponse, error) {
	if err := s.fake.enter(s.ctx); err != nil {
		return nil, err
	}
	if s.asked == nil {
		return nil, io.EOF
	}
	return s.fake.renew(s.asked), nil
}

func (s *line) Header() (metadata.MD, error) { return nil, nil }
func (s *line) Trailer() metadata.MD         { return nil }
func (s *line) CloseSend() error             { return nil }
func (s *line) Context() context.Context     { return s.ctx }
func (s *line) SendMsg(any) error            { return nil }
func (s *line) RecvMsg(any) error            { return nil }
