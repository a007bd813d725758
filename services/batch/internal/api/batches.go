package api

import (
	"cmp"
	"context"
	"errors"

	"google.golang.org/grpc"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// GetBatch tells how a batch stands.
func (s *Server) GetBatch(ctx context.Context, r *batchv1.GetBatchRequest) (*batchv1.GetBatchResponse, error) {
	b, err := s.batch(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	return &batchv1.GetBatchResponse{Batch: batchMessage(&b)}, nil
}

const defaultBatches = 20

// ListBatches lists batches.
func (s *Server) ListBatches(ctx context.Context, r *batchv1.ListBatchesRequest) (*batchv1.ListBatchesResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	limit := cmp.Or(int(r.GetLimit()), defaultBatches)
	list, err := s.Store.ListBatches(ctx, store.BatchQuery{
		Tenant: sees(p), Dialect: r.GetDialect(), After: r.GetAfter(), Before: r.GetBefore(), Limit: limit + 1,
	})
	if err != nil {
		field := "after"
		if r.GetAfter() == "" {
			field = "before"
		}
		return nil, s.explain(ctx, err, field, "there is no batch with this id to list from")
	}
	out := &batchv1.ListBatchesResponse{HasMore: len(list) > limit}
	if out.HasMore && r.GetBefore() != "" && r.GetAfter() == "" {
		list = list[1:] // the one too many is the farthest
	}
	for _, b := range list[:min(limit, len(list))] {
		out.Batches = append(out.Batches, batchMessage(&b))
	}
	return out, nil
}

// CancelBatch ends a batch.
func (s *Server) CancelBatch(ctx context.Context, r *batchv1.CancelBatchRequest) (*batchv1.CancelBatchResponse, error) {
	b, err := s.batch(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	if b, err = s.Store.Cancel(ctx, b.ID, s.Clock()); err != nil {
		return nil, s.explain(ctx, err, "id", "there is no batch with this id; ListBatches lists yours")
	}
	s.Logger.InfoContext(ctx, "batch cancelled", "batch", b.ID, "tenant", b.Tenant)
	s.Notify(b.Number)
	return &batchv1.CancelBatchResponse{Batch: batchMessage(&b)}, nil
}

// DeleteBatch forgets a batch.
func (s *Server) DeleteBatch(ctx context.Context, r *batchv1.DeleteBatchRequest) (*batchv1.DeleteBatchResponse, error) {
	b, err := s.batch(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	err = s.Store.DeleteBatch(ctx, b.ID, s.Clock())
	if errors.Is(err, store.ErrState) {
		return nil, fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "the batch hasn't ended: cancel it, and delete it when it has").With("field", "id")
	}
	if err != nil {
		return nil, s.explain(ctx, err, "id", "there is no batch with this id; ListBatches lists yours")
	}
	s.Logger.InfoContext(ctx, "batch deleted", "batch", b.ID, "tenant", b.Tenant)
	return &batchv1.DeleteBatchResponse{}, nil
}

const (
	// resultsAtOnce and bytesAtOnce are how much of the results is in memory for a call.
	resultsAtOnce = 200
	bytesAtOnce   = 1 << 20
)

// StreamResults returns the results, page by page.
func (s *Server) StreamResults(r *batchv1.StreamResultsRequest, stream grpc.ServerStreamingServer[batchv1.StreamResultsResponse]) error {
	ctx := stream.Context()
	b, err := s.batch(ctx, r.GetId())
	if err != nil {
		return err
	}
	if !b.HasEnded() {
		return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "the batch hasn't ended: ask GetBatch until ended_at is set").With("field", "id")
	}
	for after := r.GetAfter(); ; {
		page, err := s.Store.Results(ctx, b.Number, after, resultsAtOnce, bytesAtOnce)
		if err != nil {
			return s.broken(ctx, err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, line := range page {
			after = line.Line
			if err := stream.Send(resultMessage(&b, line)); err != nil {
				return err
			}
		}
	}
}

func resultMessage(b *store.Batch, r store.Result) *batchv1.StreamResultsResponse {
	return &batchv1.StreamResultsResponse{
		Line: r.Line, CustomId: r.CustomID, Outcome: r.Outcome, HttpStatus: int32(r.HTTPStatus), //nolint:gosec // an HTTP status
		Body: string(r.Body), RequestId: result.RequestID(b.ID, r.Line),
	}
}
