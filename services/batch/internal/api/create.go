package api

import (
	"cmp"
	"context"
	"maps"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/ids"
	"github.com/headgate-mesh/headgate/services/batch/internal/lines"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// CreateBatch takes a batch.
func (s *Server) CreateBatch(ctx context.Context, r *batchv1.CreateBatchRequest) (*batchv1.CreateBatchResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b, err := s.wanted(p, r)
	if err != nil {
		return nil, err
	}
	if err := s.Limits.Open(ctx, p.KeyID); err != nil {
		return nil, err
	}
	if r.GetInputFileId() != "" {
		err = s.fromFile(ctx, r, &b)
	} else {
		err = s.fromRequests(ctx, r, &b)
	}
	if err != nil {
		return nil, err
	}
	if b.Operation == batchv1.BatchOperation_BATCH_OPERATION_EMBED && b.Dialect == llmv1.Dialect_DIALECT_ANTHROPIC {
		return nil, invalid("operation", "must be BATCH_OPERATION_CHAT in Anthropic's dialect, which has no embeddings")
	}
	if b.Dialect == llmv1.Dialect_DIALECT_ANTHROPIC {
		b.Headers = versioned(b.Headers)
	}
	b.ID = ids.Batch(b.Dialect)
	if b, err = s.Store.CreateBatch(ctx, b); err != nil {
		return nil, s.broken(ctx, err)
	}
	s.Logger.InfoContext(ctx, "batch created", "batch", b.ID, "tenant", b.Tenant, "by", p.KeyID)
	s.Notify(b.Number)
	return &batchv1.CreateBatchResponse{Batch: batchMessage(&b)}, nil
}

// wanted is the batch that a valid request asks for, but for its lines.
func (s *Server) wanted(p auth.Principal, r *batchv1.CreateBatchRequest) (store.Batch, error) {
	now, window := s.Clock(), s.Window
	if r.GetCompletionWindow() != nil {
		window = r.GetCompletionWindow().AsDuration()
	}
	if int(r.GetConcurrency()) > s.Concurrency {
		return store.Batch{}, invalid("concurrency", "must be at most %d here", s.Concurrency)
	}
	return store.Batch{Tenant: p.Account(), Dialect: r.GetDialect(), Particulars: store.Particulars{
		KeyID: p.KeyID, Operation: cmp.Or(r.GetOperation(), batchv1.BatchOperation_BATCH_OPERATION_CHAT),
		Created: now, Expires: now.Add(window), Concurrency: cmp.Or(int(r.GetConcurrency()), s.Concurrency),
		Sensitivity: r.GetSensitivity(), Metadata: r.GetMetadata(), Tags: r.GetTags(), Headers: r.GetHeaders(), Models: p.Models,
	}}, nil
}

// versionHeader is required by Anthropic's dialect; versionDefault is what its SDKs send.
const versionHeader, versionDefault = "anthropic-version", "2023-06-01"

// versioned are headers with a version; who doesn't come over the dialect's own edge needn't name one.
func versioned(headers map[string]string) map[string]string {
	if headers[versionHeader] != "" {
		return headers
	}
	all := map[string]string{versionHeader: versionDefault}
	maps.Copy(all, headers)
	return all
}

// fromFile takes the lines from a file.
func (s *Server) fromFile(ctx context.Context, r *batchv1.CreateBatchRequest, b *store.Batch) error {
	_, f, err := s.file(ctx, "input_file_id", r.GetInputFileId())
	if err != nil {
		return err
	}
	own := map[batchv1.FileFormat]llmv1.Dialect{
		batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES:       llmv1.Dialect_DIALECT_OPENAI,
		batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS: llmv1.Dialect_DIALECT_ANTHROPIC,
	}[f.Format]
	switch {
	case own == llmv1.Dialect_DIALECT_UNSPECIFIED:
		return invalid("input_file_id", "must be a file of requests, and this one holds results")
	case r.GetDialect() != llmv1.Dialect_DIALECT_UNSPECIFIED && r.GetDialect() != own:
		return invalid("dialect", "must be the file's, or left out")
	}
	b.InputFile, b.Source, b.Format, b.Dialect = f.ID, f.Blob, f.Format, own
	return nil
}

// fromRequests writes the requests of the call into a blob of the batch's own.
func (s *Server) fromRequests(ctx context.Context, r *batchv1.CreateBatchRequest, b *store.Batch) error {
	if len(r.GetRequests()) > s.MaxLines {
		return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "requests must be at most %d; make several batches of them", s.MaxLines).With("field", "requests")
	}
	b.Source, b.Format = ids.File(), store.FormatInline
	if err := s.Store.Reserve(ctx, b.Source, s.Clock().Add(reserved)); err != nil {
		return s.broken(ctx, err)
	}
	w, err := s.Files.Create(ctx, b.Source)
	if err != nil {
		return s.broken(ctx, err)
	}
	defer w.Abort()
	for _, line := range r.GetRequests() {
		if _, err := w.Write(lines.AppendInline(nil, line.GetCustomId(), line.GetBody())); err != nil {
			return s.broken(ctx, err)
		}
	}
	if err := w.Commit(); err != nil {
		return s.broken(ctx, err)
	}
	return nil
}
