package chat_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/chat"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

const (
	role  = `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}` + "\n\n"
	text  = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}]}` + "\n\n"
	stop  = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usage = `data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}` + "\n\n"
	done  = "data: [DONE]\n\n"

	answer = `{"id":"c1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},` +
		`"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}`
	claudeAnswer = `{"id":"m1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"}],` +
		`"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":5}}`
)

// caller takes the messages of a stream.
type caller struct {
	grpc.ServerStream

	ctx  context.Context
	got  []*routerv1.StreamChatResponse
	sent func() error
}

func (c *caller) Context() context.Context { return c.ctx }

func (c *caller) Send(m *routerv1.StreamChatResponse) error {
	c.got = append(c.got, m)
	if c.sent != nil {
		return c.sent()
	}
	return nil
}

// kinds writes the events as letters.
func (c *caller) kinds() string {
	var s strings.Builder
	for _, m := range c.got {
		switch e := m.GetEvent(); {
		case e.GetStart() != nil:
			s.WriteByte('S')
		case e.GetPartStart() != nil:
			s.WriteByte('(')
		case e.GetPartDelta() != nil:
			s.WriteByte('d')
		case e.GetPartEnd() != nil:
			s.WriteByte(')')
		case e.GetUsage() != nil:
			s.WriteByte('u')
		case e.GetFinish() != nil:
			s.WriteByte('F')
		}
	}
	return s.String()
}

// checkServed: who answered is told once, with the first event.
func (c *caller) checkServed(t *testing.T, provider string, attempts int32) {
	t.Helper()
	for i, m := range c.got {
		s := m.GetServed()
		if i > 0 {
			if s != nil {
				t.Errorf("event %d says again who served", i)
			}
			continue
		}
		if s.GetProvider() != provider || s.GetAttempts() != attempts || s.GetModel() != "m" || s.GetUpstreamRequestId() != "up-1" {
			t.Errorf("served %v", s)
		}
	}
}

type mesh struct {
	server    *chat.Server
	desk      *account.Desk
	providers []catalog.Provider
}

type newAdapter = func(adapter.Config) (*provider.Provider, error)

// newMesh is a router whose model x is served by providers a, b... in order.
func newMesh(t *testing.T, handlers ...http.HandlerFunc) *mesh {
	t.Helper()
	builders := make([]newAdapter, len(handlers))
	for i := range builders {
		builders[i] = openai.New
	}
	return mixedMesh(t, builders, handlers)
}

func mixedMesh(t *testing.T, builders []newAdapter, handlers []http.HandlerFunc) *mesh {
	t.Helper()
	observer, err := observe.New(slog.New(slog.DiscardHandler), tracenoop.NewTracerProvider().Tracer(""), metricnoop.NewMeterProvider().Meter(""))
	if err != nil {
		t.Fatal(err)
	}
	m, x := &mesh{}, catalog.Model{Name: "x"}
	for i, h := range handlers {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		a, err := builders[i](adapter.Config{
			Name: string(rune('a' + i)), BaseURLs: []string{s.URL}, Key: "own-credential", Trust: llmv1.Sensitivity_SENSITIVITY_MEDIUM, Connect: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		patient := provider.Silences{FirstContent: time.Minute, Gap: time.Minute}
		m.providers = append(m.providers, catalog.Provider{Provider: a, Silences: patient, Total: time.Minute})
		x.Targets = append(x.Targets, catalog.Target{Provider: a, Model: "m", Total: time.Minute, Silences: patient})
	}
	m.desk = &account.Desk{Observer: observer, Logger: slog.New(slog.DiscardHandler)}
	m.server = chat.New(plan.New(&plan.Setup{Catalog: catalog.New([]catalog.Model{x}, m.providers)}, plan.Options{}), m.desk)
	return m
}

func (m *mesh) failures(i int) int64 {
	_, _, failures := m.providers[i].Provider.Stats().Read()
	return failures
}

func (m *mesh) stream(ctx context.Context) (*caller, error) {
	c := &caller{ctx: ctx}
	r := ask(func(*routerv1.ChatRequest) {})
	return c, m.server.StreamChat(&routerv1.StreamChatRequest{Model: "x", Prompt: r.GetPrompt()}, c)
}

func (m *mesh) chat(ctx context.Context) (*routerv1.ChatResponse, error) {
	return m.server.Chat(ctx, ask(func(r *routerv1.ChatRequest) { r.Model = "x" }))
}

// write answers with a body under the id up-1.
func write(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Request-Id", "up-1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func stream(frames ...string) http.HandlerFunc {
	return write(200, "text/event-stream", strings.Join(frames, ""))
}

func untouched(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(http.ResponseWriter, *http.Request) { t.Error("the next target was tried") }
}

func reason(err error) errorsv1.Reason {
	if err == nil {
		return 0
	}
	return fault.From(err).Reason
}

func TestChat(t *testing.T) {
	t.Parallel()
	const providerError = errorsv1.Reason_REASON_PROVIDER_ERROR
	good := write(200, "application/json", answer)
	failing := func(status int) http.HandlerFunc {
		return write(status, "application/json", `{"error":{"message":"no"}}`)
	}
	cases := []struct {
		name     string
		handlers []http.HandlerFunc
		want     errorsv1.Reason
		provider string
		attempts int32
	}{
		{"the first answers", []http.HandlerFunc{good, untouched(t)}, 0, "a", 1},
		{"503, the second answers", []http.HandlerFunc{failing(503), good}, 0, "b", 2},
		{"429 twice, the third answers", []http.HandlerFunc{failing(429), failing(429), good}, 0, "c", 3},
		{"401, the second answers", []http.HandlerFunc{failing(401), good}, 0, "b", 2},
		{"garbage, the second answers", []http.HandlerFunc{write(200, "application/json", "}{"), good}, 0, "b", 2},
		{"400 is final", []http.HandlerFunc{failing(400), untouched(t)}, providerError, "", 0},
		{"none answers", []http.HandlerFunc{failing(503), failing(500)}, providerError, "", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := newMesh(t, c.handlers...).chat(t.Context())
			if reason(err) != c.want {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if s := got.GetServed(); s.GetProvider() != c.provider || s.GetAttempts() != c.attempts {
				t.Errorf("served %v", s)
			}
			if err == nil && got.GetCompletion().GetMessage().GetParts()[0].GetText().GetText() != "Hi" {
				t.Errorf("%v", got)
			}
			if err != nil && got != nil {
				t.Errorf("%v beside %v", got, err)
			}
		})
	}
}

// TestChatAcrossDialects: the typed API reaches every target.
func TestChatAcrossDialects(t *testing.T) {
	t.Parallel()
	m := mixedMesh(t, []newAdapter{openai.New, anthropic.New}, []http.HandlerFunc{
		write(500, "text/plain", "no"), write(200, "application/json", claudeAnswer),
	})
	got, err := m.chat(t.Context())
	if err != nil || got.GetServed().GetProvider() != "b" || got.GetCompletion().GetUsage().GetOutputTokens() != 5 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestStreamChat(t *testing.T) {
	t.Parallel()
	m := newMesh(t, stream(role, text, text, stop, usage, done), untouched(t))
	c, err := m.stream(t.Context())
	if err != nil || c.kinds() != "S(dd)Fu" {
		t.Fatalf("%v: %s", err, c.kinds())
	}
	c.checkServed(t, "a", 1)
}

// TestStreamChatHolds: what comes before the first content is held back until there is some.
func TestStreamChatHolds(t *testing.T) {
	t.Parallel()
	atText := make(chan int, 1)
	c := &caller{ctx: t.Context()}
	held := make(chan struct{})
	m := newMesh(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Request-Id", "up-1")
		_, _ = io.WriteString(w, role)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, text+stop+done)
		close(held)
	})
	c.sent = func() error {
		if len(c.got) == 1 {
			<-held // nothing was sent before the text was
			atText <- 1
		}
		return nil
	}
	r := ask(func(*routerv1.ChatRequest) {})
	if err := m.server.StreamChat(&routerv1.StreamChatRequest{Model: "x", Prompt: r.GetPrompt()}, c); err != nil {
		t.Fatal(err)
	}
	if <-atText; c.kinds() != "S(d)F" {
		t.Errorf("%s", c.kinds())
	}
	c.checkServed(t, "a", 1)
}

// TestStreamChatFailover: until the first content another target may take over, and then the first has never been.
func TestStreamChatFailover(t *testing.T) {
	t.Parallel()
	failed := `data: {"error":{"message":"overloaded"}}` + "\n\n"
	for name, first := range map[string]http.HandlerFunc{
		"503":                     write(503, "application/json", `{"error":{"message":"no"}}`),
		"an empty stream":         stream(),
		"cut after the role":      stream(role),
		"garbage after the role":  stream(role, "data: {oops\n\n"),
		"an error after the role": stream(role, failed),
		"an error as the first":   stream(failed),
		"an answer, not a stream": write(200, "application/json", answer),
		"credentials":             write(403, "application/json", "{}"),
		"no answer":               func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, first, stream(role, text, stop, usage, done))
			c, err := m.stream(t.Context())
			if err != nil || c.kinds() != "S(d)Fu" {
				t.Fatalf("%v: %s", err, c.kinds())
			}
			c.checkServed(t, "b", 2)
			if m.failures(0) != 1 || m.failures(1) != 0 {
				t.Errorf("failures %d and %d", m.failures(0), m.failures(1))
			}
		})
	}
}

// TestStreamChatBreaks: after the first content the failure is the caller's to see.
func TestStreamChatBreaks(t *testing.T) {
	t.Parallel()
	failed := `data: {"error":{"message":"overloaded"}}` + "\n\n"
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    errorsv1.Reason
	}{
		"cut":     {stream(role, text), errorsv1.Reason_REASON_STREAM_TRUNCATED},
		"garbage": {stream(role, text, "data: {oops\n\n"), errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"failed":  {stream(role, text, failed), errorsv1.Reason_REASON_PROVIDER_ERROR},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, c.handler, untouched(t))
			got, err := m.stream(t.Context())
			if reason(err) != c.want || got.kinds() != "S(d" || m.failures(0) != 1 {
				t.Errorf("%v: %s, %d failures", err, got.kinds(), m.failures(0))
			}
		})
	}
}

// TestStreamChatWithoutContent: an answer that says nothing is still an answer, told from beginning to end.
func TestStreamChatWithoutContent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"with a finish reason":    {stream(role, stop, usage, done), "SFu"},
		"without a finish reason": {stream(role, usage, done), "SFu"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newMesh(t, c.handler).stream(t.Context())
			if err == nil && got.kinds() != c.want || err != nil && got.kinds() != "" {
				t.Errorf("%v: %q, want %q", err, got.kinds(), c.want)
			}
		})
	}
}

func TestStreamChatCallerGone(t *testing.T) {
	t.Parallel()
	left := errors.New("left")
	m := newMesh(t, stream(role, text, stop, done), untouched(t))
	c := &caller{ctx: t.Context(), sent: func() error { return left }}
	r := ask(func(*routerv1.ChatRequest) {})
	err := m.server.StreamChat(&routerv1.StreamChatRequest{Model: "x", Prompt: r.GetPrompt()}, c)
	if !errors.Is(err, left) || len(c.got) != 1 || m.failures(0) != 0 {
		t.Errorf("%v after %d messages, %d failures", err, len(c.got), m.failures(0))
	}
}

func TestSteering(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		pairs []string
		want  errorsv1.Reason
	}{
		{"a label it may see", []string{meta.Sensitivity, "low"}, 0},
		{"a label it may not", []string{meta.Sensitivity, "high"}, errorsv1.Reason_REASON_SENSITIVITY},
		{"misspelt", []string{meta.Sensitivity, "hgih"}, errorsv1.Reason_REASON_INVALID_FIELD},
		{"a route", []string{meta.Route, "b/other"}, errorsv1.Reason_REASON_MODEL_NOT_FOUND},
		{"a route to a provider", []string{meta.Route, "a/other"}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(c.pairs...))
			got, err := newMesh(t, write(200, "application/json", answer)).chat(ctx)
			if reason(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			if strings.HasPrefix(strings.Join(c.pairs, " "), meta.Route+" a/") && got.GetServed().GetModel() != "other" {
				t.Errorf("served %v", got.GetServed())
			}
			events, err := newMesh(t, stream(role, text, stop, done)).stream(ctx)
			if reason(err) != c.want || (len(events.got) > 0) != (c.want == 0) {
				t.Errorf("as a stream: %v, %d events", err, len(events.got))
			}
		})
	}
}

// TestDeadlines: the header's deadline, and one that came with the call, end it; the provider isn't blamed.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	for name, wait := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"header": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return metadata.NewIncomingContext(ctx, metadata.Pairs(meta.TimeoutMS, "30")), func() {}
		},
		"of the call": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 30*time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, hang, untouched(t))
			ctx, cancel := wait(t.Context())
			defer cancel()
			if _, err := m.chat(ctx); reason(err) != errorsv1.Reason_REASON_TIMEOUT {
				t.Errorf("%v", err)
			}
			if m.failures(0) != 0 {
				t.Errorf("%d failures", m.failures(0))
			}
		})
	}
}

// TestChatExtensions: what the vocabulary has no words for comes where it is asked for only, since another provider might
// refuse a conversation with it.
func TestChatExtensions(t *testing.T) {
	t.Parallel()
	m := newMesh(t, write(200, "application/json", strings.Replace(answer, `"content":"Hi"`, `"content":"Hi","mood":"fine"`, 1)))
	for _, include := range []bool{false, true} {
		r, err := m.server.Chat(t.Context(), ask(func(r *routerv1.ChatRequest) { r.Model, r.IncludeExtensions = "x", include }))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(r.GetCompletion().GetMessage().GetExtensions()) > 0; got != include {
			t.Errorf("include %v: %v", include, r)
		}
	}
}
