package server

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
)

// stats counts what calls come to, for GetStats and as metrics. Safe for concurrent use.
type stats struct {
	hits, misses, coalesced, stores, rejected, errors atomic.Int64

	lookups, joins, puts, withdrawals, failures metric.Int64Counter
}

func newStats(m metric.Meter) (*stats, error) {
	s := &stats{}
	var errs [5]error
	s.lookups, errs[0] = m.Int64Counter("headgate.cache.lookups", metric.WithDescription("Lookups, by result: hit or miss."))
	s.puts, errs[1] = m.Int64Counter("headgate.cache.stores", metric.WithDescription("Answers offered, by result: stored or rejected."))
	s.withdrawals, errs[2] = m.Int64Counter("headgate.cache.invalidations", metric.WithDescription("Invalidations that are done."))
	s.failures, errs[3] = m.Int64Counter("headgate.cache.failures",
		metric.WithDescription("Calls that the backend failed or didn't answer in time, and damaged answers, by operation."))
	s.joins, errs[4] = m.Int64Counter("headgate.cache.coalesced",
		metric.WithDescription("Lookups that found an answer after the call had waited for somebody else's; they are hits, too."))
	return s, errors.Join(errs[:]...)
}

// looked counts a lookup; waited says that its call had waited for somebody else's fill.
func (s *stats) looked(ctx context.Context, hit, waited bool) {
	result := "miss"
	if hit {
		result = "hit"
		s.hits.Add(1)
	} else {
		s.misses.Add(1)
	}
	if hit && waited {
		s.coalesced.Add(1)
		s.joins.Add(ctx, 1)
	}
	s.lookups.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
}

func (s *stats) stored(ctx context.Context, kept bool) {
	result := "rejected"
	if kept {
		result = "stored"
		s.stores.Add(1)
	} else {
		s.rejected.Add(1)
	}
	s.puts.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
}

func (s *stats) withdrew(ctx context.Context) { s.withdrawals.Add(ctx, 1) }

// failed counts a failure of the backend; a lookup that failed is a miss, too.
func (s *stats) failed(ctx context.Context, operation string) {
	s.errors.Add(1)
	s.failures.Add(ctx, 1, metric.WithAttributes(attribute.String("operation", operation)))
	if operation == "lookup" {
		s.looked(ctx, false, false)
	}
}

// damaged counts an answer that came back as another.
func (s *stats) damaged(ctx context.Context) {
	s.errors.Add(1)
	s.failures.Add(ctx, 1, metric.WithAttributes(attribute.String("operation", "damaged")))
}

func (s *stats) report() *cachev1.GetStatsResponse {
	return &cachev1.GetStatsResponse{
		Hits: s.hits.Load(), Misses: s.misses.Load(), Coalesced: s.coalesced.Load(),
		Stores: s.stores.Load(), Rejected: s.rejected.Load(), Errors: s.errors.Load(),
	}
}
