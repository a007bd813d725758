package edge_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

const (
	ask             = `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`
	streamAsk       = `{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}`
	claudeStreamAsk = `{"model":"m","max_tokens":1,"stream":true,"messages":[{"role":"user","content":"Hi"}]}`
	text            = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"
	done            = "data: [DONE]\n\n"
)

// limits never run out within a test.
var limits = edge.Limits{MaxBody: 1 << 20, ReadProgress: 10 * time.Second, WriteStall: time.Minute, Heartbeat: time.Minute}

// router plays the router's side: it answers each call with a script.
type router struct {
	routerv1.RouterServiceClient

	// script returns the messages one after the other, and then the error that ends the call.
	script func(ctx context.Context, n int) (*routerv1.RelayResponse, error)
	// refusal fails the call itself.
	refusal error
	models  []*llmv1.Model

	request  *routerv1.RelayRequest
	metadata metadata.MD
	ctx      context.Context //nolint:containedctx // to see that it ends
}

func (r *router) Relay(ctx context.Context, m *routerv1.RelayRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[routerv1.RelayResponse], error) {
	r.request, r.ctx = m, ctx
	r.metadata, _ = metadata.FromOutgoingContext(ctx)
	if r.refusal != nil {
		return nil, r.refusal
	}
	return &stream{ctx: ctx, script: r.script}, nil
}

func (r *router) ListModels(_ context.Context, m *routerv1.ListModelsRequest, _ ...grpc.CallOption) (*routerv1.ListModelsResponse, error) {
	if r.refusal != nil {
		return nil, r.refusal
	}
	answer := &routerv1.ListModelsResponse{}
	for _, model := range r.models {
		if model.GetDialects()[0] == m.GetDialect() {
			answer.Models = append(answer.Models, model)
		}
	}
	return answer, nil
}

type stream struct {
	grpc.ClientStream

	ctx    context.Context
	n      int
	script func(ctx context.Context, n int) (*routerv1.RelayResponse, error)
}

func (s *stream) Recv() (*routerv1.RelayResponse, error) {
	m, err := s.script(s.ctx, s.n)
	s.n++
	return m, err
}

// saying is a script of messages and what ends them.
func saying(end error, list ...*routerv1.RelayResponse) func(context.Context, int) (*routerv1.RelayResponse, error) {
	return func(_ context.Context, n int) (*routerv1.RelayResponse, error) {
		if n < len(list) {
			return proto.CloneOf(list[n]), nil
		}
		return nil, end
	}
}

func head(status int32, stream bool, headers ...*routerv1.Header) *routerv1.RelayHead {
	return &routerv1.RelayHead{
		Status: status, Stream: stream, Headers: headers, Provider: "acme", Model: "m-1", UpstreamRequestId: "up-1", Attempts: 2,
	}
}

func header(name, value string) *routerv1.Header { return &routerv1.Header{Name: name, Value: value} }

func data(s string) *routerv1.RelayResponse { return &routerv1.RelayResponse{Data: []byte(s)} }

func ending(m *routerv1.RelayResponse, complete bool) *routerv1.RelayResponse {
	m.Trailer = &routerv1.RelayTrailer{Complete: complete}
	return m
}

func begun(h *routerv1.RelayHead, s string) *routerv1.RelayResponse {
	return &routerv1.RelayResponse{Head: h, Data: []byte(s)}
}

// serve serves a handler.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// edges serves one dialect's chats over a scripted router.
func edges(t *testing.T, r *router, d *edge.Dialect, l edge.Limits) string {
	t.Helper()
	e := &edge.Edges{Relay: r, Router: r, Limits: l}
	return serve(t, e.Chat(d))
}

// post sends a body; whoever gets the answer may read it until the test ends.
func post(t *testing.T, url, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) *http.Response {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// all reads to the end, however that looks.
func all(resp *http.Response) (string, error) {
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// frame reads up to a blank line.
func frame(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var s strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%q, then %v", s.String(), err)
		}
		s.WriteString(line)
		if line == "\n" {
			return s.String()
		}
	}
}
