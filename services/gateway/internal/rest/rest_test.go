package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
	"github.com/headgate-mesh/headgate/services/gateway/internal/rest"
)

const ask = `{"model":"m","prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]}}`

var limits = edge.Limits{MaxBody: 1 << 20, ReadProgress: 10 * time.Second, WriteStall: time.Minute, Heartbeat: time.Minute}

// router plays the router.
type router struct {
	routerv1.RouterServiceClient

	err      error
	script   func(ctx context.Context, n int) (*routerv1.StreamChatResponse, error)
	metadata metadata.MD
	asked    *routerv1.ChatRequest
}

func (r *router) Chat(ctx context.Context, m *routerv1.ChatRequest, _ ...grpc.CallOption) (*routerv1.ChatResponse, error) {
	r.metadata, _ = metadata.FromOutgoingContext(ctx)
	r.asked = m
	if r.err != nil {
		return nil, r.err
	}
	return &routerv1.ChatResponse{
		Completion: &llmv1.Completion{Id: "c1", FinishReason: llmv1.FinishReason_FINISH_REASON_STOP},
		Served:     &routerv1.Served{Provider: "acme", Model: "m-1", Attempts: 2},
	}, nil
}

func (r *router) ListModels(context.Context, *routerv1.ListModelsRequest, ...grpc.CallOption) (*routerv1.ListModelsResponse, error) {
	return &routerv1.ListModelsResponse{Models: []*llmv1.Model{{Id: "m", OwnedBy: "acme"}}}, r.err
}

func (r *router) StreamChat(ctx context.Context, _ *routerv1.StreamChatRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[routerv1.StreamChatResponse], error) {
	return &stream{ctx: ctx, script: r.script}, nil
}

type stream struct {
	grpc.ClientStream

	ctx    context.Context
	n      int
	script func(ctx context.Context, n int) (*routerv1.StreamChatResponse, error)
}

func (s *stream) Header() (metadata.MD, error) { return metadata.Pairs("x-from-router", "1"), nil }

func (s *stream) Recv() (*routerv1.StreamChatResponse, error) {
	m, err := s.script(s.ctx, s.n)
	s.n++
	return m, err
}

// saying is a script of texts and what ends them.
func saying(end error, texts ...string) func(context.Context, int) (*routerv1.StreamChatResponse, error) {
	return func(_ context.Context, n int) (*routerv1.StreamChatResponse, error) {
		if n >= len(texts) {
			return nil, end
		}
		m := &routerv1.StreamChatResponse{Event: &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{
			PartDelta: &llmv1.PartDelta{Delta: &llmv1.PartDelta_Text{Text: texts[n]}},
		}}}
		if n == 0 {
			m.Served = &routerv1.Served{Provider: "acme", Model: "m-1", Attempts: 1}
		}
		return m, nil
	}
}

// serve serves the native surface; what no route takes is answered with its reason's code.
func serve(t *testing.T, r *router, l edge.Limits) string {
	t.Helper()
	mux, err := rest.NewMux(t.Context(), rest.Services{Router: r}, func(w http.ResponseWriter, _ *http.Request, err *fault.Error) {
		w.WriteHeader(err.HTTPStatus())
		_, _ = io.WriteString(w, fault.Code(err.Reason))
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(rest.Streams(mux, l))
	t.Cleanup(s.Close)
	return s.URL
}

func send(t *testing.T, method, url, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%q, then %v", b, err)
	}
	return string(b)
}

// problem is google.rpc.Status as JSON.
type problem struct {
	Code    int
	Message string
	Details []struct {
		Reason   string
		Domain   string
		Metadata map[string]string
	}
}

func parse(t *testing.T, body string) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code == 0 || len(p.Details) == 0 {
		t.Errorf("%v: %s", err, body)
		p.Details = make([]struct {
			Reason   string
			Domain   string
			Metadata map[string]string
		}, 1)
	}
	return p
}

func TestChat(t *testing.T) {
	t.Parallel()
	r := &router{}
	resp := send(t, http.MethodPost, serve(t, r, limits)+"/api/v1/chat", ask)
	var said struct {
		Completion struct {
			ID           string
			FinishReason string `json:"finish_reason"`
		}
		Served struct{ Provider string }
	}
	if err := json.Unmarshal([]byte(text(t, resp)), &said); err != nil || said.Completion.FinishReason != "FINISH_REASON_STOP" || said.Served.Provider != "acme" {
		t.Errorf("%v: %+v", err, said)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("X-Headgate-Provider") != "acme" ||
		resp.Header.Get("X-Headgate-Attempts") != "2" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if r.asked.GetModel() != "m" || r.asked.GetPrompt().GetMessages()[0].GetParts()[0].GetText().GetText() != "Hi" {
		t.Errorf("%v", r.asked)
	}
}

// TestHeaders: only what steers a call travels on, and nothing of the mesh comes back.
func TestHeaders(t *testing.T) {
	t.Parallel()
	r := &router{}
	resp := send(t, http.MethodPost, serve(t, r, limits)+"/api/v1/chat", ask,
		"X-Headgate-Sensitivity", "high", "X-Headgate-Route", "fast", "X-Headgate-Timeout-Ms", "5", "X-Headgate-Tags", "a=b",
		"Grpc-Metadata-X-Headgate-Internal-Peer", "me", "X-Headgate-Internal-Peer", "me", "Cookie", "c",
		"Grpc-Metadata-Authorization", "Bearer k")
	_ = text(t, resp)
	want := map[string]string{
		"x-headgate-sensitivity": "high", "x-headgate-route": "fast", "x-headgate-timeout-ms": "5", "x-headgate-tags": "a=b",
	}
	for name, values := range r.metadata {
		if name == "x-forwarded-host" || name == "x-forwarded-for" {
			continue // grpc-gateway's own, of the connection
		}
		if strings.Join(values, " ") != want[name] {
			t.Errorf("%s: %q, want %q", name, values, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	for name := range resp.Header {
		if strings.HasPrefix(name, "Grpc-") || name == "X-From-Router" {
			t.Errorf("%s came back", name)
		}
	}
}

// TestGRPCTimeout: grpc-gateway reads this header on its own; a bad one is no fault of the body's.
func TestGRPCTimeout(t *testing.T) {
	t.Parallel()
	body := text(t, send(t, http.MethodPost, serve(t, &router{}, limits)+"/api/v1/chat", ask, "Grpc-Timeout", "soon"))
	if strings.Contains(body, "the body isn't valid JSON") {
		t.Errorf("the body is blamed for a header: %s", body)
	}
}

// TestForwardedFor: what a client says about who it is doesn't reach the mesh.
func TestForwardedFor(t *testing.T) {
	t.Parallel()
	r := &router{}
	_ = text(t, send(t, http.MethodPost, serve(t, r, limits)+"/api/v1/chat", ask, "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil.test"))
	for name, values := range r.metadata {
		if strings.Contains(strings.Join(values, " "), "6.6.6.6") || strings.Contains(strings.Join(values, " "), "evil.test") {
			t.Errorf("%s: %q", name, values)
		}
	}
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	const secret = "sk-my-secret-value"
	cases := []struct{ name, body, reason, field string }{
		{"a field that isn't there", `{"model":"m","` + "temprature" + `":"` + secret + `"}`, "INVALID_FIELD", "temprature"},
		{"a nested one", `{"prompt":{"mesages":["` + secret + `"]}}`, "INVALID_FIELD", "mesages"},
		{"a field with a value for a name", `{"` + secret + ` ":1}`, "INVALID_JSON", ""},
		{"the wrong type", `{"model":7}`, "INVALID_FIELD", "model"},
		{"a wrong value", `{"prompt":{"messages":[{"role":"` + secret + `"}]}}`, "INVALID_FIELD", "role"},
		{"no JSON", secret, "INVALID_JSON", ""},
		{"half a JSON", `{"model":"` + secret, "INVALID_JSON", ""},
		{"a list", `["` + secret + `"]`, "INVALID_JSON", ""},
		{"twice", `{"model":"` + secret + `","model":"b"}`, "INVALID_JSON", ""},
		{"more than one", `{"model":"m"}{"model":"` + secret + `"}`, "INVALID_JSON", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"/api/v1/chat", "/api/v1/chat:stream"} {
				resp := send(t, http.MethodPost, serve(t, &router{script: saying(io.EOF)}, limits)+path, c.body)
				body := text(t, resp)
				if resp.StatusCode != http.StatusBadRequest || strings.Contains(body, secret) || resp.Header.Get("X-Should-Retry") != "false" {
					t.Errorf("%s: %d %s", path, resp.StatusCode, body)
				}
				p := parse(t, body)
				if p.Details[0].Reason != c.reason || p.Details[0].Domain != "headgate" || p.Details[0].Metadata["field"] != c.field {
					t.Errorf("%s: %s, want %s about %q", path, body, c.reason, c.field)
				}
			}
		})
	}
}

func TestBodyLimits(t *testing.T) {
	t.Parallel()
	l := limits
	l.MaxBody = 10
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"too large": {nil, http.StatusRequestEntityTooLarge}, "compressed": {[]string{"Content-Encoding", "gzip"}, http.StatusUnsupportedMediaType},
	} {
		resp := send(t, http.MethodPost, serve(t, &router{}, l)+"/api/v1/chat", ask, c.headers...)
		if body := text(t, resp); resp.StatusCode != c.status || !resp.Close {
			t.Errorf("%s: %d, close %t: %s", name, resp.StatusCode, resp.Close, body)
		}
	}
	if resp := send(t, http.MethodGet, serve(t, &router{}, l)+"/api/v1/models", ""); resp.StatusCode != 200 {
		t.Errorf("GET: %d", resp.StatusCode)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		err    error
		status int
		reason string
	}{
		{"ours", fault.New(errorsv1.Reason_REASON_MODEL_NOT_FOUND, "no such model").With("field", "model"), 404, "MODEL_NOT_FOUND"},
		{"over the wire", fault.New(errorsv1.Reason_REASON_TIMEOUT, "too long").GRPCStatus().Err(), 504, "TIMEOUT"},
		{"bad input over the wire", fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "model is required").GRPCStatus().Err(), 400, "MISSING_FIELD"},
		{"the provider's", fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "slow down").With("http_status", "429").GRPCStatus().Err(), 429, "PROVIDER_ERROR"},
		{"a defect", errors.New("nil map"), 500, "INTERNAL"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for path, accept := range map[string]string{"/api/v1/chat": "", "/api/v1/chat:stream": "", "/api/v1/chat:stream?": "text/event-stream"} {
				r := &router{err: c.err, script: saying(c.err)}
				resp := send(t, http.MethodPost, serve(t, r, limits)+path, ask, "Accept", accept)
				body := text(t, resp)
				if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != "application/json" || strings.Contains(body, "nil map") {
					t.Errorf("%s: %d %v %s", path, resp.StatusCode, resp.Header, body)
				}
				if p := parse(t, body); p.Details[0].Reason != c.reason {
					t.Errorf("%s: %s", path, body)
				}
			}
		})
	}
}

func TestStreamLines(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"", "*/*", "application/x-ndjson"} {
		resp := send(t, http.MethodPost, serve(t, &router{script: saying(io.EOF, "a", "b")}, limits)+"/api/v1/chat:stream", ask, "Accept", accept)
		lines := strings.Split(strings.TrimSuffix(text(t, resp), "\n"), "\n")
		if len(lines) != 2 || resp.StatusCode != 200 || resp.Header.Get("X-Headgate-Provider") != "acme" {
			t.Fatalf("%d %v %q", resp.StatusCode, resp.Header, lines)
		}
		for i, line := range lines {
			checkEvent(t, "result", line, string("ab"[i]))
		}
	}
}

// checkEvent: a line of JSON holds a message, perhaps wrapped, that says a text.
func checkEvent(t *testing.T, wrap, line, want string) {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	inner := []byte(line)
	if wrap != "" {
		inner = m[wrap]
	}
	var said struct {
		Event struct {
			PartDelta struct{ Text string } `json:"part_delta"`
		}
	}
	if err := json.Unmarshal(inner, &said); err != nil || said.Event.PartDelta.Text != want {
		t.Errorf("%v: %s, want %q", err, line, want)
	}
}

func TestStreamEvents(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"text/event-stream", "application/json, text/event-stream;q=0.9"} {
		resp := send(t, http.MethodPost, serve(t, &router{script: saying(io.EOF, "a\nb", "c")}, limits)+"/api/v1/chat:stream", ask, "Accept", accept)
		frames := strings.SplitAfter(text(t, resp), "\n\n")
		if len(frames) != 3 || frames[2] != "" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			t.Fatalf("%v %q", resp.Header, frames)
		}
		for i, want := range []string{"a\nb", "c"} {
			line, ok := strings.CutPrefix(frames[i], "data: ")
			if !ok || strings.Count(line, "\n") != 2 {
				t.Fatalf("%q", frames[i])
			}
			checkEvent(t, "", line, want)
		}
	}
}

// TestErrorInStream: what has begun ends with an error of its own format.
func TestErrorInStream(t *testing.T) {
	t.Parallel()
	cut := fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "cut")
	for accept, mark := range map[string]string{"": `{"error":`, "text/event-stream": "event: error\ndata: "} {
		resp := send(t, http.MethodPost, serve(t, &router{script: saying(cut, "a")}, limits)+"/api/v1/chat:stream", ask, "Accept", accept)
		body := text(t, resp)
		_, last, ok := strings.Cut(body, mark)
		if !ok || resp.StatusCode != 200 {
			t.Fatalf("%d %q", resp.StatusCode, body)
		}
		if mark[0] == '{' {
			last = strings.TrimSuffix(strings.TrimSpace(last), "}")
		}
		if p := parse(t, last); p.Details[0].Reason != "STREAM_TRUNCATED" {
			t.Errorf("%q", body)
		}
		if !strings.HasSuffix(body, "\n") {
			t.Errorf("%q isn't ended", body)
		}
	}
}

// TestHeartbeat: a silent event stream carries comments; an error after one is a frame, since the head has gone.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	cut := fault.New(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, "acme can't be reached")
	for name, script := range map[string]func(context.Context, int) (*routerv1.StreamChatResponse, error){
		"then an answer": saying(io.EOF, "a"), "then an error": saying(cut),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan struct{})
			r := &router{script: func(ctx context.Context, n int) (*routerv1.StreamChatResponse, error) {
				if n == 0 {
					select {
					case <-seen:
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}
				return script(ctx, n)
			}}
			l := limits
			l.Heartbeat = 10 * time.Millisecond
			resp := send(t, http.MethodPost, serve(t, r, l)+"/api/v1/chat:stream", ask, "Accept", "text/event-stream")
			body := bufio.NewReader(resp.Body)
			if line, err := body.ReadString('\n'); err != nil || line != ": ping\n" || resp.StatusCode != 200 {
				t.Fatalf("%d %q, %v", resp.StatusCode, line, err)
			}
			close(seen)
			rest, err := io.ReadAll(body)
			got := strings.TrimPrefix(strings.ReplaceAll(string(rest), ": ping\n\n", ""), "\n")
			want := "data: "
			if name == "then an error" {
				want = "event: error\ndata: "
			}
			if err != nil || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\n\n") {
				t.Errorf("%q, %v, want %q...", got, err, want)
			}
		})
	}
}

// TestNoHeartbeatInLines: newline-delimited JSON has no room for one, and a status may still come.
func TestNoHeartbeatInLines(t *testing.T) {
	t.Parallel()
	l := limits
	l.Heartbeat = time.Millisecond
	for path, accept := range map[string]string{"/api/v1/chat:stream": "", "/api/v1/chat": "text/event-stream"} {
		failing := fault.New(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, "acme can't be reached")
		r := &router{err: failing, script: func(context.Context, int) (*routerv1.StreamChatResponse, error) {
			<-time.After(30 * l.Heartbeat)
			return nil, failing
		}}
		resp := send(t, http.MethodPost, serve(t, r, l)+path, ask, "Accept", accept)
		if body := text(t, resp); resp.StatusCode != http.StatusBadGateway || strings.Contains(body, "ping") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestRouting(t *testing.T) {
	t.Parallel()
	url := serve(t, &router{}, limits)
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{http.MethodGet, "/api/v1/models", 200, ""},
		{http.MethodGet, "/api/v1/nothing", 404, "ROUTE_NOT_FOUND"},
		{http.MethodGet, "/elsewhere", 404, "ROUTE_NOT_FOUND"},
		{http.MethodGet, "/api/v1/chat", 405, "METHOD_NOT_ALLOWED"},
		{http.MethodDelete, "/api/v1/models", 405, "METHOD_NOT_ALLOWED"},
	} {
		resp := send(t, c.method, url+c.path, "")
		if body := text(t, resp); resp.StatusCode != c.status || c.code != "" && body != c.code {
			t.Errorf("%s %s: %d %s", c.method, c.path, resp.StatusCode, body)
		}
	}
	// A form and an override header are old tricks to turn one method into another.
	resp := send(t, http.MethodPost, url+"/api/v1/models", "x=1", "Content-Type", "application/x-www-form-urlencoded", "X-Http-Method-Override", "GET")
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("override: %d", resp.StatusCode)
	}
}
