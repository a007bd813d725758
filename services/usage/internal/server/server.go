// Package server answers UsageService from a store.
package server

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// Server implements UsageService. Safe for concurrent use.
type Server struct {
	usagev1.UnimplementedUsageServiceServer
	store store.Store
	now   func() time.Time
}

// New returns a server over a store.
func New(s store.Store, now func() time.Time) *Server { return &Server{store: s, now: now} }

const (
	defaultSums = 1000
	// page is how many rows are in memory while a list is streamed.
	page = 500
)

// Ingest takes batches and answers each once it is in the store for good.
func (s *Server) Ingest(stream grpc.BidiStreamingServer[usagev1.IngestRequest, usagev1.IngestResponse]) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := s.store.Insert(stream.Context(), m.GetEvents())
		if err != nil {
			return unavailable(stream.Context(), err)
		}
		if err := stream.Send(&usagev1.IngestResponse{Sequence: m.GetSequence(), Inserted: int32(n)}); err != nil {
			return err
		}
	}
}

// QueryUsage adds up by groups.
func (s *Server) QueryUsage(ctx context.Context, r *usagev1.QueryUsageRequest) (*usagev1.QueryUsageResponse, error) {
	f, err := visible(ctx, r.GetFilter())
	if err != nil {
		return nil, err
	}
	q := store.Query{
		Filter: f, Groups: r.GetGroupBy(), TagName: r.GetTagName(), Interval: r.GetInterval(), Limit: int(r.GetLimit()),
	}
	if q.Limit == 0 {
		q.Limit = defaultSums
	}
	sums, truncated, err := s.store.Sums(ctx, q)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	return &usagev1.QueryUsageResponse{Sums: sums, Truncated: truncated}, nil
}

// GetTotals adds up everything.
func (s *Server) GetTotals(ctx context.Context, r *usagev1.GetTotalsRequest) (*usagev1.GetTotalsResponse, error) {
	f, err := visible(ctx, r.GetFilter())
	if err != nil {
		return nil, err
	}
	sums, _, err := s.store.Sums(ctx, store.Query{Filter: f, Limit: 1})
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	total := &usagev1.Sum{CostUsd: "0"}
	if len(sums) > 0 {
		total = sums[0]
	}
	return &usagev1.GetTotalsResponse{Total: total}, nil
}

// ListEvents streams rows, page by page. It ends with what had begun when it was called, so that it does end.
func (s *Server) ListEvents(r *usagev1.ListEventsRequest, stream grpc.ServerStreamingServer[usagev1.ListEventsResponse]) error {
	ctx := stream.Context()
	f, err := visible(ctx, r.GetFilter())
	if err != nil {
		return err
	}
	if f.End.IsZero() {
		f.End = s.now()
	}
	var at store.Cursor
	for {
		events, next, err := s.store.Page(ctx, f, at, page)
		if err != nil {
			return unavailable(ctx, err)
		}
		for _, e := range events {
			if err := stream.Send(&usagev1.ListEventsResponse{Event: e}); err != nil {
				return err
			}
		}
		if len(events) < page {
			return nil
		}
		at = next
	}
}

// GetSpent adds up what accounts have spent.
func (s *Server) GetSpent(ctx context.Context, r *usagev1.GetSpentRequest) (*usagev1.GetSpentResponse, error) {
	accounts := make([]store.Account, len(r.GetAccounts()))
	for i, a := range r.GetAccounts() {
		accounts[i] = store.Account{Tenant: a.GetTenant(), KeyID: a.GetKeyId()}
	}
	spent, err := s.store.Spent(ctx, timeOf(r.GetStart()), accounts)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	return &usagev1.GetSpentResponse{CostPicoUsd: spent}, nil
}

// unavailable is the error for a store that failed; the caller's own end stays what it is.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "the ledger can't be reached; try again shortly").Because(err)
}

func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
