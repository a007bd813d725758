package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key       = "hg_the-administrators-own-key"
	streamAsk = `{"model":"m","max_tokens":1,"stream":true,"messages":[{"role":"user","content":"Hi"}]}`
	text      = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"
)

// router is a connection to a router that lists models, refuses everything else unary, and streams until it is left.
type router struct{ begun chan struct{} }

func (r *router) Invoke(_ context.Context, method string, _, reply any, _ ...grpc.CallOption) error {
	list, ok := reply.(*routerv1.ListModelsResponse)
	if !ok {
		return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "no %s here", method)
	}
	list.Models = []*llmv1.Model{{Id: "gpt-5"}, {Id: "meta/llama 3"}}
	return nil
}

func (r *router) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return &stream{ctx: ctx, begun: r.begun}, nil
}

type stream struct {
	ctx   context.Context
	begun chan struct{}
	n     int
}

func (s *stream) Header() (metadata.MD, error) { return nil, nil }
func (s *stream) Trailer() metadata.MD         { return nil }
func (s *stream) CloseSend() error             { return nil }
func (s *stream) Context() context.Context     { return s.ctx }
func (s *stream) SendMsg(any) error            { return nil }

func (s *stream) RecvMsg(m any) error {
	answer, ok := m.(*routerv1.RelayResponse)
	if !ok {
		return errors.New("no such stream")
	}
	if s.n++; s.n == 1 {
		proto.Merge(answer, &routerv1.RelayResponse{
			Head: &routerv1.RelayHead{Status: 200, Stream: true, Provider: "p", Model: "m"}, Data: []byte(text),
		})
		return nil
	}
	if s.begun != nil {
		close(s.begun)
	}
	<-s.ctx.Done()
	return s.ctx.Err()
}

func build(t *testing.T, cfg gateway.Config, ready func() error, r *router) *gateway.Service {
	t.Helper()
	s, err := gateway.New(cfg, gateway.Deps{
		Logger: slog.New(slog.DiscardHandler), Tracer: tracenoop.NewTracerProvider().Tracer(""), Meter: metricnoop.NewMeterProvider().Meter(""),
		Verifier: auth.NewAdminKey(key), Router: r, Ready: ready,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func handler(t *testing.T) http.Handler {
	t.Helper()
	return build(t, gateway.Config{}, nil, &router{}).Handler()
}

func ask(t *testing.T, h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}"))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// dialectOf tells whose error a body is.
func dialectOf(t *testing.T, body []byte) string {
	t.Helper()
	var said struct {
		Type    string
		Error   struct{ Message string }
		Code    int
		Message string
	}
	if err := json.Unmarshal(body, &said); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	switch {
	case said.Type == "error" && said.Error.Message != "":
		return "anthropic"
	case said.Error.Message != "":
		return "openai"
	case said.Code != 0 && said.Message != "":
		return "native"
	}
	return "nobody's"
}

// TestRefusals: every error comes in the dialect of its path, with the advice that fits.
func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, method, path string
		withKey            bool
		status             int
		dialect, says      string
		allow              string
	}{
		{"no key, OpenAI", http.MethodPost, "/v1/chat/completions", false, 401, "openai", "", ""},
		{"no key, Anthropic", http.MethodPost, "/v1/messages", false, 401, "anthropic", "", ""},
		{"no key, native", http.MethodPost, "/api/v1/chat", false, 401, "native", "", ""},
		{"no key, models", http.MethodGet, "/v1/models", false, 401, "openai", "", ""},
		{"no key, nowhere", http.MethodGet, "/nowhere", false, 401, "native", "", ""},
		{"nowhere", http.MethodGet, "/nowhere", true, 404, "native", "/docs", ""},
		{"nowhere under /v1", http.MethodPost, "/v1/completions", true, 404, "openai", "/docs", ""},
		{"nowhere under messages", http.MethodPost, "/v1/messages/nowhere", true, 404, "anthropic", "/docs", ""},
		{"almost messages", http.MethodPost, "/v1/messagesx", true, 404, "openai", "", ""},
		{"Anthropic's SDK with /v1", http.MethodPost, "/v1/v1/messages", true, 404, "anthropic", "no /v1 at its end", ""},
		{"OpenAI's SDK with /v1 twice", http.MethodPost, "/v1/v1/chat/completions", true, 404, "openai", "ends in one /v1", ""},
		{"OpenAI's SDK without /v1", http.MethodPost, "/chat/completions", true, 404, "openai", "ends in /v1", ""},
		{"GET chat", http.MethodGet, "/v1/chat/completions", true, 405, "openai", "POST", "POST"},
		{"DELETE messages", http.MethodDelete, "/v1/messages", true, 405, "anthropic", "POST", "POST"},
		{"POST models", http.MethodPost, "/v1/models", true, 405, "openai", "GET, HEAD", "GET, HEAD"},
		{"GET native chat", http.MethodGet, "/api/v1/chat", true, 405, "native", "POST", "POST"},
		{"POST native models", http.MethodPost, "/api/v1/models", true, 405, "native", "GET, HEAD", "GET, HEAD"},
		{"POST health", http.MethodPost, "/healthz", false, 405, "native", "GET, HEAD", "GET, HEAD"},
		{"a model that isn't", http.MethodGet, "/v1/models/nobodys", true, 404, "openai", "/v1/models", ""},
		{"what the router refuses", http.MethodPost, "/api/v1/chat", true, 400, "native", "no /headgate.router.v1.RouterService/Chat here", ""},
	}
	h := handler(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var headers []string
			if c.withKey {
				headers = []string{"Authorization", "Bearer " + key}
			}
			w := ask(t, h, c.method, c.path, headers...)
			if w.Code != c.status || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("X-Request-Id") == "" {
				t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			if got := dialectOf(t, w.Body.Bytes()); got != c.dialect || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%s's error, want %s's that says %q: %s", got, c.dialect, c.says, w.Body)
			}
			if w.Header().Get("Allow") != c.allow {
				t.Errorf("Allow %q, want %q", w.Header().Get("Allow"), c.allow)
			}
		})
	}
}

// TestHead: what probes ask with HEAD answers as GET does.
func TestHead(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(handler(t))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || err != nil || len(body) != 0 {
		t.Errorf("%d, %v: %s", resp.StatusCode, err, body)
	}
}

// TestModelsDialect: the two vendors share the paths of the model list; a header tells them apart, for errors too.
func TestModelsDialect(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for _, path := range []string{"/v1/models", "/v1/models/", "/v1/models/gpt-5"} {
		openai := ask(t, h, http.MethodGet, path, "X-Api-Key", key)
		anthropic := ask(t, h, http.MethodGet, path, "X-Api-Key", key, "Anthropic-Version", "2023-06-01")
		if openai.Code != 200 || !strings.Contains(openai.Body.String(), `"object"`) {
			t.Errorf("%s: %d %s", path, openai.Code, openai.Body)
		}
		if anthropic.Code != 200 || !strings.Contains(anthropic.Body.String(), `"display_name"`) {
			t.Errorf("%s: %d %s", path, anthropic.Code, anthropic.Body)
		}
		refused := ask(t, h, http.MethodGet, path, "Anthropic-Version", "2023-06-01")
		if got := dialectOf(t, refused.Body.Bytes()); got != "anthropic" {
			t.Errorf("%s without a key: %s's error for an Anthropic client", path, got)
		}
	}
}

// TestModelWithSlash: an SDK may escape the slash in a model's id.
func TestModelWithSlash(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for _, path := range []string{"/v1/models/meta/llama%203", "/v1/models/meta%2Fllama%203"} {
		if w := ask(t, h, http.MethodGet, path, "X-Api-Key", key); w.Code != 200 || !strings.Contains(w.Body.String(), `"meta/llama 3"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestOpenPaths(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for path, has := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/openapi.json": `"swagger"`, "/docs": "Headgate", "/docs/": "Headgate"} {
		if w := ask(t, h, http.MethodGet, path); w.Code != 200 || !strings.Contains(w.Body.String(), has) {
			t.Errorf("%s: %d %.200s", path, w.Code, w.Body)
		}
	}
	if w := ask(t, h, http.MethodGet, "/"); w.Code != http.StatusFound || w.Header().Get("Location") != "/docs" {
		t.Errorf("/: %d %v", w.Code, w.Header())
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	h := build(t, gateway.Config{}, func() error { return errors.New("the router isn't there yet") }, &router{}).Handler()
	if w := ask(t, h, http.MethodGet, "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "isn't there yet") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(t, h, http.MethodGet, "/healthz"); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

// TestHealthUnderLoad: a gateway that is full is alive; what asks must not kill it for that.
func TestHealthUnderLoad(t *testing.T) {
	t.Parallel()
	r := &router{begun: make(chan struct{})}
	s := httptest.NewServer(build(t, gateway.Config{MaxInFlight: 1}, nil, r).Handler())
	t.Cleanup(s.Close)
	_ = begin(t, s.URL)
	<-r.begun
	for path, want := range map[string]int{"/healthz": 200, "/v1/models": 503} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// begin starts a stream and returns what comes after its first frame.
func begin(t *testing.T, url string) *bufio.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(streamAsk))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	body := bufio.NewReader(resp.Body)
	if first, err := body.ReadString('\n'); err != nil || first != strings.TrimSuffix(text, "\n") {
		t.Fatalf("%q, %v", first, err)
	}
	return body
}

// TestDrain: a stream that outlives the drain ends with an error frame, and Serve returns.
func TestDrain(t *testing.T) {
	t.Parallel()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := build(t, gateway.Config{Drain: 50 * time.Millisecond}, nil, &router{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, lis, nil) }()
	body := begin(t, "http://"+lis.Addr().String())
	stop()
	rest, err := io.ReadAll(body)
	if err != nil || !strings.HasPrefix(string(rest), "\ndata: {\"error\":") || !strings.Contains(string(rest), "stopping") {
		t.Errorf("%q, %v", rest, err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := gateway.New(gateway.Config{Idle: -1}, gateway.Deps{}); err == nil || !strings.Contains(err.Error(), "idle") {
		t.Errorf("%v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	cases := []struct {
		path string
		cfg  gateway.Config
	}{
		{"max_body", gateway.Config{MaxBody: -1}},
		{"max_header", gateway.Config{MaxHeader: -1}},
		{"max_in_flight", gateway.Config{MaxInFlight: -1}},
		{"read_progress", gateway.Config{ReadProgress: -1}},
		{"write_stall", gateway.Config{WriteStall: -1}},
		{"idle", gateway.Config{Idle: -1}},
		{"heartbeat", gateway.Config{Heartbeat: -1}},
		{"drain", gateway.Config{Drain: -1}},
	}
	for _, c := range cases {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			if err := c.cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), c.path+":") {
				t.Errorf("%v doesn't name %s", err, c.path)
			}
		})
	}
	if err := (gateway.Config{}).Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestDrainTime(t *testing.T) {
	t.Parallel()
	if got := (gateway.Config{}).DrainTime(); got != 10*time.Minute {
		t.Errorf("%s", got)
	}
	if got := (gateway.Config{Drain: time.Second}).DrainTime(); got != time.Second {
		t.Errorf("%s", got)
	}
}

// TestConfigLimitsBody: what the file says is what is in force.
func TestConfigLimitsBody(t *testing.T) {
	t.Parallel()
	for limit, want := range map[conf.Bytes]int{10: http.StatusRequestEntityTooLarge, 1 << 10: http.StatusOK} {
		router := &router{begun: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			select {
			case <-router.begun: // the stream would go on for ever
				cancel()
			case <-ctx.Done():
			}
		}()
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(streamAsk))
		r.Header.Set("Authorization", "Bearer "+key)
		build(t, gateway.Config{MaxBody: limit}, nil, router).Handler().ServeHTTP(w, r)
		cancel()
		if w.Code != want {
			t.Errorf("%d bytes: %d %s", limit, w.Code, w.Body)
		}
	}
}
