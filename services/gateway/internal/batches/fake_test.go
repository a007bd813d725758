package batches

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

// service plays the batch service: it keeps what it is sent, and answers what it is told to.
type service struct {
	batchv1.BatchServiceClient

	// state is that of every batch, errors what is wrong with it.
	state  batchv1.BatchState
	errors []*batchv1.BatchError
	// files are listed, a page at a time.
	files []*batchv1.File
	// parts are what ReadFile and StreamResults send before end, which is io.EOF where all went well.
	parts int
	end   error

	mu           sync.Mutex
	descriptions []*batchv1.FileDescription
	content      []byte
	whole        bool
	created      *batchv1.CreateBatchRequest
	deleted      []string
}

// upload takes a file.
type upload struct {
	grpc.ClientStream

	s   *service
	ctx context.Context //nolint:containedctx // a stream has one
}

func (s *service) CreateFile(ctx context.Context, _ ...grpc.CallOption) (grpc.ClientStreamingClient[batchv1.CreateFileRequest, batchv1.CreateFileResponse], error) {
	return &upload{s: s, ctx: ctx}, nil
}

func (u *upload) Send(m *batchv1.CreateFileRequest) error {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	if d := m.GetDescription(); d != nil {
		u.s.descriptions = append(u.s.descriptions, proto.CloneOf(d))
	}
	u.s.content = append(u.s.content, m.GetData()...)
	return u.ctx.Err()
}

func (u *upload) CloseAndRecv() (*batchv1.CreateFileResponse, error) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.whole = true
	d := u.s.descriptions[len(u.s.descriptions)-1]
	return &batchv1.CreateFileResponse{File: &batchv1.File{Id: "file-1", Filename: d.GetFilename(), Format: d.GetFormat(), Bytes: int64(len(u.s.content))}}, nil
}

func (s *service) GetFile(context.Context, *batchv1.GetFileRequest, ...grpc.CallOption) (*batchv1.GetFileResponse, error) {
	f := &batchv1.File{Bytes: int64(s.parts * part)}
	if !errors.Is(s.end, io.EOF) {
		f.Bytes++
	}
	return &batchv1.GetFileResponse{File: f}, nil
}

func (s *service) DeleteFile(_ context.Context, m *batchv1.DeleteFileRequest, _ ...grpc.CallOption) (*batchv1.DeleteFileResponse, error) {
	s.deleted = append(s.deleted, m.GetId())
	return &batchv1.DeleteFileResponse{}, nil
}

// ListFiles lists at most three at once.
func (s *service) ListFiles(_ context.Context, m *batchv1.ListFilesRequest, _ ...grpc.CallOption) (*batchv1.ListFilesResponse, error) {
	list := s.files
	for i, f := range list {
		if f.GetId() == m.GetAfter() {
			list = list[i+1:]
			break
		}
	}
	n := min(3, int(m.GetLimit()), len(list))
	return &batchv1.ListFilesResponse{Files: list[:n], HasMore: n < len(list)}, nil
}

func (s *service) CreateBatch(_ context.Context, m *batchv1.CreateBatchRequest, _ ...grpc.CallOption) (*batchv1.CreateBatchResponse, error) {
	s.created = m
	return &batchv1.CreateBatchResponse{Batch: &batchv1.Batch{Id: "msgbatch_1", State: batchv1.BatchState_BATCH_STATE_VALIDATING}}, nil
}

func (s *service) GetBatch(_ context.Context, m *batchv1.GetBatchRequest, _ ...grpc.CallOption) (*batchv1.GetBatchResponse, error) {
	return &batchv1.GetBatchResponse{Batch: &batchv1.Batch{Id: m.GetId(), State: s.state, Errors: s.errors}}, nil
}

func (s *service) DeleteBatch(_ context.Context, m *batchv1.DeleteBatchRequest, _ ...grpc.CallOption) (*batchv1.DeleteBatchResponse, error) {
	s.deleted = append(s.deleted, m.GetId())
	return &batchv1.DeleteBatchResponse{}, nil
}

// download sends parts of anything, and then ends.
type download[T any] struct {
	grpc.ClientStream

	left int
	end  error
	one  *T
}

func (d *download[T]) Recv() (*T, error) {
	if d.left == 0 {
		return nil, d.end
	}
	d.left--
	return d.one, nil
}

func (s *service) ReadFile(context.Context, *batchv1.ReadFileRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[batchv1.ReadFileResponse], error) {
	return &download[batchv1.ReadFileResponse]{left: s.parts, end: s.end, one: &batchv1.ReadFileResponse{Data: make([]byte, part)}}, nil
}

func (s *service) StreamResults(context.Context, *batchv1.StreamResultsRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[batchv1.StreamResultsResponse], error) {
	return &download[batchv1.StreamResultsResponse]{left: s.parts, end: s.end, one: &batchv1.StreamResultsResponse{
		CustomId: "a", Outcome: batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED, Body: `{"text":"1 < 2"}`,
	}}, nil
}

var errBroken = fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "the batch service is gone")

// serve serves all endpoints over a service.
func serve(t *testing.T, s *service, progress time.Duration) *httptest.Server {
	t.Helper()
	e := &Edges{Batches: s, OpenAI: edge.OpenAI(), Anthropic: edge.Anthropic(), ReadProgress: progress, WriteStall: time.Minute}
	mux := http.NewServeMux()
	for _, r := range e.Routes() {
		mux.HandleFunc(r.Method+" "+r.Pattern, func(w http.ResponseWriter, req *http.Request) {
			r.Handler(w, req, map[string]string{"id": req.PathValue("id")})
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// send sends a request and returns the answer, and what ended its body.
func send(t *testing.T, method, url, contentType string, body io.Reader, headers ...string) (status int, text []byte, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}
