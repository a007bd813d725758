package api

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

func fileMessage(f store.File) *batchv1.File {
	return &batchv1.File{
		Id: f.ID, Filename: f.Filename, Format: f.Format, Bytes: f.Bytes, CreatedAt: stamp(f.Created), ExpiresAt: stamp(f.Expires),
	}
}

func batchMessage(b *store.Batch) *batchv1.Batch {
	m := &batchv1.Batch{
		Id: b.ID, State: b.State, Dialect: b.Dialect, Operation: b.Operation, InputFileId: b.InputFile,
		Counts: &batchv1.BatchCounts{
			Total: b.Counts.Total, Completed: b.Counts.Completed, Failed: b.Counts.Failed, Cancelled: b.Counts.Cancelled, Expired: b.Counts.Expired,
		},
		CreatedAt: stamp(b.Created), InProgressAt: stamp(b.InProgress), FinalizingAt: stamp(b.Finalizing), EndedAt: stamp(b.Ended),
		ExpiresAt: stamp(b.Expires), CancellingAt: stamp(b.Cancelling), Metadata: b.Metadata, Tags: b.Tags,
		KeyId: b.KeyID, Tenant: b.Tenant, Model: b.Model,
		Usage: &llmv1.TokenUsage{
			InputTokens: b.Usage.Input, CachedInputTokens: b.Usage.Cached, CacheWriteTokens: b.Usage.Written,
			OutputTokens: b.Usage.Output, ReasoningTokens: b.Usage.Reasoning,
		},
	}
	if b.HasEnded() { // their names are known before they are there
		m.OutputFileId, m.ErrorFileId = b.OutputFile, b.ErrorFile
	}
	for _, p := range b.Problems {
		m.Errors = append(m.Errors, &batchv1.BatchError{Line: p.Line, Code: p.Code, Message: p.Message, Field: p.Field})
	}
	return m
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
