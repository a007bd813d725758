// Package api is BatchService: it checks who asks, keeps files and batches, and lets package queue carry them out.
package api

import (
	"context"
	"errors"
	"log/slog"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/files"
	"github.com/headgate-mesh/headgate/services/batch/internal/limits"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Server implements BatchService. Fill in every field. Safe for concurrent use.
type Server struct {
	batchv1.UnimplementedBatchServiceServer

	Store  store.Store
	Files  *files.Bucket
	Logger *slog.Logger
	Clock  func() time.Time
	// Notify is told of every batch that was created or cancelled.
	Notify func(number int64)
	// Limits are those of the keys; nil knows of none.
	Limits *limits.Limits
	// Concurrency, MaxFile, MaxLines, Window and Retention are the configuration's.
	Concurrency       int
	MaxFile           int64
	MaxLines          int
	Window, Retention time.Duration
}

// caller is whoever presented a key with this call.
func caller(ctx context.Context) (auth.Principal, error) {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return p, fault.New(errorsv1.Reason_REASON_MISSING_API_KEY, "batches need an API key of your own: send it as Authorization: Bearer")
	}
	return p, nil
}

// sees is the tenant whose files and batches a caller sees; empty for everyone's.
func sees(p auth.Principal) string {
	if p.Tenant == "" && (p.Role == accessv1.Role_ROLE_ADMIN || p.Role == accessv1.Role_ROLE_VIEWER) {
		return ""
	}
	return p.Account()
}

// file returns a file that the caller may see; it is the field of the request that names it.
func (s *Server) file(ctx context.Context, field, id string) (auth.Principal, store.File, error) {
	p, err := caller(ctx)
	if err != nil {
		return p, store.File{}, err
	}
	f, err := s.Store.File(ctx, id)
	if err == nil && ((sees(p) != "" && f.Tenant != sees(p)) || (!f.Expires.IsZero() && !s.Clock().Before(f.Expires))) {
		err = store.ErrNotFound
	}
	return p, f, s.explain(ctx, err, field, "there is no file with this id; ListFiles lists yours")
}

// batch returns a batch that the caller may see.
func (s *Server) batch(ctx context.Context, id string) (store.Batch, error) {
	p, err := caller(ctx)
	if err != nil {
		return store.Batch{}, err
	}
	b, err := s.Store.Batch(ctx, id)
	if err == nil && sees(p) != "" && b.Tenant != sees(p) {
		err = store.ErrNotFound
	}
	return b, s.explain(ctx, err, "id", "there is no batch with this id; ListBatches lists yours")
}

// explain is the error for what the store says; nil stays nil.
func (s *Server) explain(ctx context.Context, err error, field, absent string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return fault.New(errorsv1.Reason_REASON_NOT_FOUND, "%s", absent).With("field", field)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "batches can't be kept right now; try again shortly").Because(err)
}

// broken is for a store or a bucket that failed.
func (s *Server) broken(ctx context.Context, err error) error {
	return s.explain(ctx, err, "", "it isn't there any more")
}

func invalid(field, format string, args ...any) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, field+" "+format, args...).With("field", field)
}

func missing(field, remedy string) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s is required: %s", field, remedy).With("field", field)
}
