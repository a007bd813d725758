package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/rpc"
)

// fakeBatches is a batch service whose batches end when they are looked at.
type fakeBatches struct {
	batchv1.UnimplementedBatchServiceServer

	mu      sync.Mutex
	uploads int
	none    bool
}

func (f *fakeBatches) CreateFile(s grpc.ClientStreamingServer[batchv1.CreateFileRequest, batchv1.CreateFileResponse]) error {
	f.mu.Lock()
	f.uploads++
	f.mu.Unlock()
	for {
		if _, err := s.Recv(); err != nil {
			return s.SendAndClose(&batchv1.CreateFileResponse{File: &batchv1.File{Id: "file_1"}})
		}
	}
}

func (f *fakeBatches) uploaded() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.uploads
}

func (*fakeBatches) CreateBatch(context.Context, *batchv1.CreateBatchRequest) (*batchv1.CreateBatchResponse, error) {
	return &batchv1.CreateBatchResponse{Batch: &batchv1.Batch{Id: "batch_1"}}, nil
}

func (*fakeBatches) GetBatch(context.Context, *batchv1.GetBatchRequest) (*batchv1.GetBatchResponse, error) {
	return &batchv1.GetBatchResponse{Batch: &batchv1.Batch{Id: "batch_1", State: batchv1.BatchState_BATCH_STATE_COMPLETED}}, nil
}

func (f *fakeBatches) ListBatches(context.Context, *batchv1.ListBatchesRequest) (*batchv1.ListBatchesResponse, error) {
	if f.none {
		return &batchv1.ListBatchesResponse{}, nil
	}
	return &batchv1.ListBatchesResponse{Batches: []*batchv1.Batch{{Id: "batch_1"}}}, nil
}

func (*fakeBatches) StreamResults(r *batchv1.StreamResultsRequest, s grpc.ServerStreamingServer[batchv1.StreamResultsResponse]) error {
	if r.GetId() != "batch_1" {
		return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "the batch hasn't ended: ask GetBatch until ended_at is set").With("field", "id")
	}
	return s.Send(&batchv1.StreamResultsResponse{CustomId: "a", Body: "{}", HttpStatus: 200})
}

// batchProcess serves batches on loopback and returns the environment that finds them.
func batchProcess(t *testing.T, f *fakeBatches) map[string]string {
	t.Helper()
	server := rpc.NewServer(rpc.Options{Verifier: auth.NewAdminKey(testAdmin)})
	batchv1.RegisterBatchServiceServer(server, f)
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(ctx, lis) })
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
	return map[string]string{"HEADGATE_BATCH_ADDR": lis.Addr().String(), "HEADGATE_ADMIN_KEY": testAdmin, "HEADGATE_DATA_DIR": t.TempDir()}
}

// TestSubmitRefuses: what can't end well is refused before anything is submitted.
func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	f := new(fakeBatches)
	vars, lines, empty := batchProcess(t, f), written(t, "in.jsonl", "{}\n"), written(t, "empty.jsonl", "")
	for want, args := range map[string][]string{
		"--output goes with --wait": {lines, "--output", filepath.Join(t.TempDir(), "out")},
		"--output: open":            {lines, "--wait", "--output", filepath.Join(t.TempDir(), "none", "out")},
		"empty.jsonl is empty":      {empty},
		"usage: headgate batch":     {},
	} {
		_, _, err := runIn(t, vars, append([]string{"batch", "submit"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "EOF") {
			t.Errorf("%v: %v", args, err)
		}
	}
	if n := f.uploaded(); n != 0 {
		t.Errorf("%d files were uploaded", n)
	}
}

// TestSubmitAndWait: the id comes first, on standard error; the file's old content stays until there are results.
func TestSubmitAndWait(t *testing.T) {
	t.Parallel()
	vars, lines := batchProcess(t, new(fakeBatches)), written(t, "in.jsonl", "{}\n")
	out := written(t, "out.jsonl", "what was there before, and is longer than what comes\n")
	_, errs, err := runIn(t, vars, "batch", "submit", lines, "--wait", "--output", out)
	if err != nil || !strings.HasPrefix(errs, "batch batch_1\n") {
		t.Errorf("%v\n%s", err, errs)
	}
	const want = `{"custom_id":"a","outcome":"unspecified","status":200,"body":{}}` + "\n"
	if got, err := os.ReadFile(out); err != nil || string(got) != want {
		t.Errorf("%v: %s", err, got)
	}
	if got, _, err := runIn(t, vars, "batch", "results", "batch_1"); err != nil || got != want {
		t.Errorf("%v: %s", err, got)
	}
}

// TestResultsOfUnfinished speaks of commands, and leaves no trace.
func TestResultsOfUnfinished(t *testing.T) {
	t.Parallel()
	vars := batchProcess(t, new(fakeBatches))
	kept, fresh := written(t, "kept", "old"), filepath.Join(t.TempDir(), "fresh")
	for _, path := range []string{kept, fresh} {
		_, _, err := runIn(t, vars, "batch", "results", "batch_2", "--output", path)
		if err == nil || !strings.Contains(err.Error(), "headgate batch get ID") || strings.Contains(err.Error(), "GetBatch") {
			t.Errorf("%v", err)
		}
	}
	if got, err := os.ReadFile(kept); err != nil || string(got) != "old" {
		t.Errorf("what was there is gone: %q %v", got, err)
	}
	if _, err := os.Stat(fresh); err == nil {
		t.Error("an empty file is left")
	}
}

func TestBatchList(t *testing.T) {
	t.Parallel()
	f := new(fakeBatches)
	vars := batchProcess(t, f)
	if got, _, err := runIn(t, vars, "batch", "list"); err != nil || !strings.HasPrefix(got, "ID ") || !strings.Contains(got, "MADE\nbatch_1") {
		t.Errorf("%v\n%s", err, got)
	}
	f.none = true
	if got, errs, err := runIn(t, vars, "batch", "list"); err != nil || got != "" || !strings.Contains(errs, "headgate batch submit FILE") {
		t.Errorf("%v\n%s%s", err, got, errs)
	}
}

// TestNobodyThere: a mesh that is down, or an address that isn't gRPC's, is told as such by calls and streams alike.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	vars := map[string]string{"HEADGATE_ADMIN_KEY": testAdmin, "HEADGATE_DATA_DIR": t.TempDir()}
	for _, addr := range []string{strings.TrimPrefix(web.URL, "http://"), "127.0.0.1:1"} {
		for _, args := range [][]string{
			{"key", "list"},
			{"quota"},
			{"usage"},
			{"usage", "--events"},
			{"batch", "list"},
			{"batch", "results", "batch_1"},
			{"batch", "submit", written(t, "in.jsonl", "{}\n")},
		} {
			_, _, err := runIn(t, vars, append(args, "--addr", addr)...)
			if want := "nothing answers for Headgate at " + addr + ": is it running? --addr takes its gRPC address"; err == nil || err.Error() != want {
				t.Errorf("%v: %v", args, err)
			}
		}
	}
}
