package serve

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/bucket"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Drain ends the streams of routers, each after its next answer: they open another, elsewhere.
func (s *Server) Drain() { s.draining.Store(true) }

// Lease renews the stocks of one router, message by message. Money is never leased, whatever limits a stock names: a stock
// is refilled by time, so that a part of it which is lost comes back by itself, but a budget isn't, and what a router that
// died held of it would be missing until the period ends. Who has a budget is asked about for each call, which takes its
// requests and tokens as well: a stock of those beside it saves nothing.
func (s *Server) Lease(stream grpc.BidiStreamingServer[ratelimitv1.LeaseRequest, ratelimitv1.LeaseResponse]) error {
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := s.renew(stream.Context(), r)
		if err != nil {
			return unavailable(err)
		}
		if err := stream.Send(answer); err != nil || s.draining.Load() {
			return err
		}
	}
}

// renew answers one message; each tenant's part of it is one operation of the store.
func (s *Server) renew(ctx context.Context, r *ratelimitv1.LeaseRequest) (*ratelimitv1.LeaseResponse, error) {
	valid := s.valid(r.GetStocks())
	answer := &ratelimitv1.LeaseResponse{
		Sequence: r.GetSequence(), Stocks: make([]*ratelimitv1.Stock, len(r.GetStocks())),
		ValidFor: durationpb.New(valid), LiveHolders: s.Guard.Heard(ctx, r.GetHolder()),
	}
	for tenant, indices := range byTenant(r.GetStocks()) {
		renewal := store.Renewal{Holder: r.GetHolder(), Tenant: tenant, Sequence: r.GetSequence(), Valid: valid}
		for _, i := range indices {
			renewal.Stocks = append(renewal.Stocks, stock(r.GetStocks()[i]))
		}
		grants, alone, err := s.Guard.Lease(ctx, renewal)
		if err != nil {
			return nil, err
		}
		for n, i := range indices {
			answer.Stocks[i] = granted(r.GetStocks()[i], grants[n])
		}
		answer.Degraded = answer.Degraded || alone
	}
	return answer, nil
}

// long is how long stocks are valid that are next to nothing of their limits: nobody misses them, and rare calls are paid
// from them. It is less than store.Silence with its margin.
const long = 8 * time.Second

// valid is how long a message's grants are. It follows from the message alone: who repeats it is told the same. Routers
// share what is little among themselves.
func (s *Server) valid(stocks []*ratelimitv1.Stock) time.Duration {
	little := func(n, limit int64) bool { return limit == 0 || n <= bucket.Little(limit, 1) }
	for _, m := range stocks {
		l := m.GetScope().GetLimits()
		if !little(m.GetWantRequests(), l.GetRequestsPerMinute()) || !little(m.GetWantTokens(), l.GetTokensPerMinute()) ||
			!little(m.GetPlaces()-m.GetPlacesUsed(), l.GetConcurrentRequests()) {
			return s.Valid
		}
	}
	return max(s.Valid, long)
}

func byTenant(stocks []*ratelimitv1.Stock) map[string][]int {
	parts := make(map[string][]int)
	for i, s := range stocks {
		parts[s.GetTenant()] = append(parts[s.GetTenant()], i)
	}
	return parts
}

func stock(s *ratelimitv1.Stock) store.Stock {
	return store.Stock{
		Scope: scope(s.GetScope()), Requests: s.GetRequests(), Tokens: s.GetTokens(),
		Places: s.GetPlaces(), PlacesUsed: s.GetPlacesUsed(),
		WantRequests: s.GetWantRequests(), WantTokens: s.GetWantTokens(),
	}
}

// granted is a stock of the answer. The fields of wishes tell what is left beside it, and places_used how many tokens of
// calls under way can still come back.
func granted(asked *ratelimitv1.Stock, g store.Grant) *ratelimitv1.Stock {
	return &ratelimitv1.Stock{
		Tenant: asked.GetTenant(), Scope: &ratelimitv1.Scope{Kind: asked.GetScope().GetKind(), Id: asked.GetScope().GetId()},
		Requests: g.Requests, Tokens: g.Tokens, Places: g.Places,
		RequestsLeft: g.RequestsLeft, TokensLeft: g.TokensLeft, TokensReturnable: g.Returnable,
	}
}
