package batch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch"
)

// TestCancelAndDelete: what waits is cancelled, what is under way ends, and then the batch can be deleted.
func TestCancelAndDelete(t *testing.T) {
	t.Parallel()
	r, gate := newRouter(), make(chan struct{})
	r.answer = func(ctx context.Context, _ *routerv1.RelayRequest, _ string) error {
		select {
		case <-ctx.Done():
		case <-gate:
		}
		return nil
	}
	c, ctx := start(t, t.TempDir(), batch.Config{Concurrency: 3}, r), client(t, "acme")
	id := create(ctx, t, c, openAILines(50)).GetId()
	until(ctx, t, c, id, func(*batchv1.Batch) bool { return r.total() == 3 })
	refused := func(what string, err error) {
		t.Helper()
		if f := fault.From(err); f == nil || f.Reason != errorsv1.Reason_REASON_UNSUPPORTED || f.Metadata["field"] != "id" {
			t.Errorf("%s of an open batch: %v", what, err)
		}
	}
	_, err := c.DeleteBatch(ctx, &batchv1.DeleteBatchRequest{Id: id})
	refused("deleting", err)
	stream, err := c.StreamResults(ctx, &batchv1.StreamResultsRequest{Id: id})
	if err == nil {
		_, err = stream.Recv()
	}
	refused("results", err)
	cancelled, err := c.CancelBatch(ctx, &batchv1.CancelBatchRequest{Id: id})
	if b := cancelled.GetBatch(); err != nil || b.GetState() != batchv1.BatchState_BATCH_STATE_CANCELLING || b.GetCounts().GetCancelled() != 47 || b.GetOutputFileId() != "" {
		t.Errorf("%v %v", b, err)
	}
	close(gate)
	b := until(ctx, t, c, id, ended)
	if b.GetState() != batchv1.BatchState_BATCH_STATE_CANCELLED || b.GetCounts().GetCompleted() != 3 || b.GetCancellingAt() == nil || r.total() != 3 {
		t.Errorf("%v", b)
	}
	rest, err := c.StreamResults(ctx, &batchv1.StreamResultsRequest{Id: id, After: 48})
	if err != nil {
		t.Fatal(err)
	}
	for line := int64(49); line <= 51; line++ {
		got, err := rest.Recv()
		if (line == 51) != errors.Is(err, io.EOF) || (err == nil && got.GetLine() != line) {
			t.Errorf("behind 48: %v, %v", got, err)
		}
	}
	for i, line := range results(ctx, t, c, id) {
		if (line.GetOutcome() == batchv1.LineOutcome_LINE_OUTCOME_CANCELLED) != (i >= 3) || (line.GetHttpStatus() == 0) != (i >= 3) {
			t.Errorf("%v", line)
		}
	}
	if _, err := c.DeleteBatch(ctx, &batchv1.DeleteBatchRequest{Id: id}); err != nil {
		t.Error(err)
	}
	if _, err := c.GetFile(ctx, &batchv1.GetFileRequest{Id: b.GetOutputFileId()}); fault.From(err).Reason != errorsv1.Reason_REASON_NOT_FOUND {
		t.Errorf("the results of a deleted batch: %v", err)
	}
	if _, err := c.GetBatch(ctx, &batchv1.GetBatchRequest{Id: id}); fault.From(err).Reason != errorsv1.Reason_REASON_NOT_FOUND {
		t.Errorf("a deleted batch: %v", err)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	c, ctx := start(t, t.TempDir(), batch.Config{}, newRouter()), client(t, "acme")
	var made []string
	for range 5 {
		made = append([]string{create(ctx, t, c, openAILines(1)).GetId()}, made...)
	}
	for _, test := range []struct {
		r    *batchv1.ListBatchesRequest
		want []string
		more bool
	}{
		{&batchv1.ListBatchesRequest{}, made, false},
		{&batchv1.ListBatchesRequest{Limit: 2}, made[:2], true},
		{&batchv1.ListBatchesRequest{Limit: 3, After: made[1]}, made[2:], false},
		{&batchv1.ListBatchesRequest{Limit: 2, Before: made[4]}, made[2:4], true},
		{&batchv1.ListBatchesRequest{Limit: 2, Before: made[2]}, made[:2], false},
		{&batchv1.ListBatchesRequest{Dialect: llmv1.Dialect_DIALECT_ANTHROPIC}, nil, false},
	} {
		list, err := c.ListBatches(ctx, test.r)
		var ids []string
		for _, b := range list.GetBatches() {
			ids = append(ids, b.GetId())
		}
		if err != nil || fmt.Sprint(ids) != fmt.Sprint(test.want) || list.GetHasMore() != test.more {
			t.Errorf("%v: %v %v %v", test.r, ids, list.GetHasMore(), err)
		}
	}
	// The batches have files with results too.
	files, err := c.ListFiles(ctx, &batchv1.ListFilesRequest{Limit: 2, Ascending: true})
	if err != nil || len(files.GetFiles()) != 2 || !files.GetHasMore() || files.GetFiles()[0].GetFilename() != "in.jsonl" {
		t.Errorf("%v %v", files, err)
	}
}

// TestRefused are requests that are well-formed and can't be served.
func TestRefused(t *testing.T) {
	t.Parallel()
	c, ctx := start(t, t.TempDir(), batch.Config{MaxLines: 2}, newRouter()), client(t, "acme")
	b := until(ctx, t, c, create(ctx, t, c, openAILines(1)).GetId(), ended)
	line := &batchv1.BatchRequest{CustomId: "a", Body: "{}"}
	for _, test := range []struct {
		name, field string
		r           *batchv1.CreateBatchRequest
	}{
		{"results as requests", "input_file_id", &batchv1.CreateBatchRequest{InputFileId: b.GetOutputFileId()}},
		{"another dialect than the file's", "dialect", &batchv1.CreateBatchRequest{InputFileId: b.GetInputFileId(), Dialect: llmv1.Dialect_DIALECT_ANTHROPIC}},
		{"more at once than may be", "concurrency", &batchv1.CreateBatchRequest{InputFileId: b.GetInputFileId(), Concurrency: 9}},
		{"too many requests", "requests", &batchv1.CreateBatchRequest{Dialect: llmv1.Dialect_DIALECT_OPENAI, Requests: []*batchv1.BatchRequest{line, line, line}}},
		{"embeddings of Anthropic", "operation", &batchv1.CreateBatchRequest{
			Dialect: llmv1.Dialect_DIALECT_ANTHROPIC, Requests: []*batchv1.BatchRequest{line}, Operation: batchv1.BatchOperation_BATCH_OPERATION_EMBED,
		}},
		{"a window that is too long", "completion_window", &batchv1.CreateBatchRequest{InputFileId: b.GetInputFileId(), CompletionWindow: durationpb.New(1e15)}},
	} {
		_, err := c.CreateBatch(ctx, test.r)
		if f := fault.From(err); f == nil || f.Reason != errorsv1.Reason_REASON_INVALID_FIELD || f.Metadata["field"] != test.field {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
