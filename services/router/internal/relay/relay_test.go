package relay_test

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
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/relay"
)

const (
	role  = `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}` + "\n\n"
	text  = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}]}` + "\n\n"
	more  = `data: {"id":"c","choices":[{"index":0,"delta":{"content":" there"}}]}` + "\n\n"
	stop  = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usage = `data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}` + "\n\n"
	done  = "data: [DONE]\n\n"
	bad   = "data: {oops\n\n"

	answer = `{"id":"c1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},` +
		`"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}`
	ask       = `{"model":"x","messages":[{"role":"user","content":"Hi"}]}`
	streamAsk = `{"model":"x","stream":true,"messages":[{"role":"user","content":"Hi"}]}`
)

// client is the caller's side of a relayed call.
type client struct {
	grpc.ServerStream

	ctx  context.Context
	got  []*routerv1.RelayResponse
	sent func(n int) error
}

func (c *client) Context() context.Context { return c.ctx }

// Send takes a message; sent, where it is set, is told how many there are.
func (c *client) Send(m *routerv1.RelayResponse) error {
	c.got = append(c.got, m)
	if c.sent != nil {
		return c.sent(len(c.got))
	}
	return nil
}

// data is what the client read.
func (c *client) data() string {
	var all strings.Builder
	for _, m := range c.got {
		all.Write(m.GetData())
	}
	return all.String()
}

// checkFraming: one head, at the front; one trailer, at the end.
func (c *client) checkFraming(t *testing.T) {
	t.Helper()
	for i, m := range c.got {
		if (m.GetHead() != nil) != (i == 0) {
			t.Errorf("message %d of %d: head %v", i, len(c.got), m.GetHead())
		}
		if (m.GetTrailer() != nil) != (i == len(c.got)-1) {
			t.Errorf("message %d of %d: trailer %v", i, len(c.got), m.GetTrailer())
		}
	}
}

func (c *client) head() *routerv1.RelayHead { return c.got[0].GetHead() }

func (c *client) trailer() *routerv1.RelayTrailer { return c.got[len(c.got)-1].GetTrailer() }

// mesh is a router whose model x is served by providers a, b... in order.
type mesh struct {
	server    *relay.Server
	desk      *account.Desk
	providers []*provider.Provider
}

func newMesh(t *testing.T, newAdapter func(adapter.Config) (*provider.Provider, error), handlers ...http.HandlerFunc) *mesh {
	t.Helper()
	observer, err := observe.New(slog.New(slog.DiscardHandler), tracenoop.NewTracerProvider().Tracer(""), metricnoop.NewMeterProvider().Meter(""))
	if err != nil {
		t.Fatal(err)
	}
	m, x := &mesh{}, catalog.Model{Name: "x"}
	for i, h := range handlers {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		a, err := newAdapter(adapter.Config{
			Name: string(rune('a' + i)), BaseURLs: []string{s.URL}, Key: "own-credential", Trust: llmv1.Sensitivity_SENSITIVITY_MEDIUM, Connect: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		m.providers = append(m.providers, a)
		x.Targets = append(x.Targets, catalog.Target{
			Provider: a, Model: "m", Total: time.Minute, Silences: provider.Silences{FirstContent: time.Minute, Gap: time.Minute},
		})
	}
	m.desk = &account.Desk{Observer: observer, Logger: slog.New(slog.DiscardHandler)}
	m.server = relay.New(plan.New(&plan.Setup{Catalog: catalog.New([]catalog.Model{x}, nil)}, plan.Options{}), m.desk, nil)
	return m
}

func newOpenAI(t *testing.T, handlers ...http.HandlerFunc) *mesh {
	t.Helper()
	return newMesh(t, openai.New, handlers...)
}

// relay makes a call and returns what the client got.
func (m *mesh) relay(ctx context.Context, body string) (*client, error) {
	c := &client{ctx: ctx}
	return c, m.serve(c, body)
}

func (m *mesh) serve(c *client, body string) error {
	return m.server.Relay(&routerv1.RelayRequest{
		Dialect: llmv1.Dialect_DIALECT_OPENAI, Operation: routerv1.Operation_OPERATION_CHAT, Body: []byte(body),
	}, c)
}

func (m *mesh) stats(i int) (attempts, failures int64) {
	_, attempts, failures = m.providers[i].Stats().Read()
	return attempts, failures
}

// stream sends all frames in one write.
func stream(frames ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, strings.Join(frames, ""))
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
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

func errorBody(message string) string { return `{"error":{"message":"` + message + `"}}` }

func TestUnary(t *testing.T) {
	t.Parallel()
	m := newOpenAI(t, status(200, answer))
	c, err := m.relay(t.Context(), ask)
	if err != nil || len(c.got) != 1 || c.data() != answer {
		t.Fatalf("%v, %d messages: %s", err, len(c.got), c.data())
	}
	h := c.head()
	if h.GetStatus() != 200 || h.GetStream() || h.GetProvider() != "a" || h.GetModel() != "m" || h.GetAttempts() != 1 {
		t.Errorf("head %v", h)
	}
	tr := c.trailer()
	if !tr.GetComplete() || tr.GetUsage().GetOutputTokens() != 5 || tr.GetFinishReason() != llmv1.FinishReason_FINISH_REASON_STOP {
		t.Errorf("trailer %v", tr)
	}
}

// TestUnarySplit: a body above one message's size comes in pieces.
func TestUnarySplit(t *testing.T) {
	t.Parallel()
	const piece = 4 << 20
	for name, extra := range map[string]int{"two pieces and a bit": 2*piece + 7, "exactly two pieces": 2 * piece, "one byte more than one": piece + 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := strings.Replace(answer, "Hi", strings.Repeat("x", extra-len(answer)+2), 1)
			c, err := newOpenAI(t, status(200, body)).relay(t.Context(), ask)
			if err != nil || c.data() != body {
				t.Fatalf("%v, %d bytes of %d", err, len(c.data()), len(body))
			}
			c.checkFraming(t)
			for _, m := range c.got {
				if len(m.GetData()) > piece || len(m.GetData()) == 0 {
					t.Errorf("a message of %d bytes", len(m.GetData()))
				}
			}
		})
	}
}

// TestStreamBatches: frames that are ready together travel in one message.
func TestStreamBatches(t *testing.T) {
	t.Parallel()
	c, err := newOpenAI(t, stream(role, text, more, stop, usage, done)).relay(t.Context(), streamAsk)
	if err != nil || len(c.got) != 1 || c.data() != role+text+more+stop+done {
		t.Fatalf("%v, %d messages: %q", err, len(c.got), c.data())
	}
	if h := c.head(); h.GetStatus() != 200 || !h.GetStream() || h.GetAttempts() != 1 {
		t.Errorf("head %v", h)
	}
	if tr := c.trailer(); !tr.GetComplete() || tr.GetUsage().GetInputTokens() != 3 {
		t.Errorf("trailer %v", tr)
	}
}

// TestStreamBatchesAreBounded: however much is ready, a message stays near 64 KiB.
func TestStreamBatchesAreBounded(t *testing.T) {
	t.Parallel()
	frames := strings.Repeat(text, 20_000)
	c, err := newOpenAI(t, stream(frames, done)).relay(t.Context(), streamAsk)
	if err != nil || c.data() != frames+done {
		t.Fatalf("%v, %d bytes", err, len(c.data()))
	}
	c.checkFraming(t)
	for i, m := range c.got {
		if n := len(m.GetData()); n > 64<<10+len(text) {
			t.Errorf("message %d has %d bytes", i, n)
		}
	}
}

// TestStreamComesAtOnce: a frame isn't held for the next one.
func TestStreamComesAtOnce(t *testing.T) {
	t.Parallel()
	frames, next := []string{role, text, more, done}, make(chan struct{}, 1)
	m := newOpenAI(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, f := range frames {
			_, _ = io.WriteString(w, f)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next: // the client has it
			case <-r.Context().Done():
				return
			}
		}
	})
	c := &client{ctx: t.Context(), sent: func(int) error { next <- struct{}{}; return nil }}
	if err := m.serve(c, streamAsk); err != nil {
		t.Fatal(err)
	}
	c.checkFraming(t)
	for i, f := range frames {
		if string(c.got[i].GetData()) != f {
			t.Errorf("message %d: %q, want %q", i, c.got[i].GetData(), f)
		}
	}
}

// TestStreamBreaks: what was sent stays, and one error frame ends it.
func TestStreamBreaks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ rest, says string }{
		"cut":           {"", "ended its stream"},
		"cut in frame":  {text[:30], "ended its stream"},
		"malformed":     {bad, "can't be understood"},
		"more, and cut": {more, "ended its stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := make(chan struct{})
			m := newOpenAI(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, text)
				_ = http.NewResponseController(w).Flush()
				<-first
				_, _ = io.WriteString(w, c.rest)
			}, untouched(t))
			got := &client{ctx: t.Context(), sent: func(n int) error {
				if n == 1 {
					close(first)
				}
				return nil
			}}
			if err := m.serve(got, streamAsk); err != nil {
				t.Fatalf("the client was told within the stream, and the call failed too: %v", err)
			}
			got.checkFraming(t)
			data := strings.TrimPrefix(strings.TrimPrefix(got.data(), text), more)
			if !strings.HasPrefix(got.data(), text) || !strings.HasPrefix(data, `data: {"error":{`) || !strings.HasSuffix(data, "}\n\n") ||
				strings.Count(data, "data:") != 1 || !strings.Contains(data, c.says) {
				t.Errorf("%q", got.data())
			}
			if got.trailer().GetComplete() {
				t.Error("a broken answer counts as complete")
			}
			if _, failures := m.stats(0); failures != 1 {
				t.Errorf("%d failures", failures)
			}
		})
	}
}

// TestStreamBreaksInALineBreak: the error frame begins a line, also for SDKs that know only \n and \r\n.
func TestStreamBreaksInALineBreak(t *testing.T) {
	t.Parallel()
	half := strings.TrimSuffix(text, "\n\n") + "\r\n\r"
	m := newOpenAI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, half)
	}, untouched(t))
	got := &client{ctx: t.Context()}
	if err := m.serve(got, streamAsk); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.data(), half+"\ndata: {\"error\":{") {
		t.Errorf("%q", got.data())
	}
}

// TestStreamOfLoneReturns: clients that know only \n and \r\n see the lines that the standard sees.
func TestStreamOfLoneReturns(t *testing.T) {
	t.Parallel()
	plain := role + text + stop + done
	cases := []struct{ name, sent, want string }{
		{name: "throughout", sent: strings.ReplaceAll(plain, "\n", "\r"), want: plain},
		{name: "throughout, with a byte too many in a break", sent: strings.Replace(plain, "\n\n", "\r\xca\n\n", 1), want: strings.Replace(plain, "\n\n", "\n\xca\n\n", 1)},
		{name: "the standard's pairs", sent: strings.ReplaceAll(plain, "\n", "\r\n"), want: strings.ReplaceAll(plain, "\n", "\r\n")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newOpenAI(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, c.sent)
			}, untouched(t))
			got := &client{ctx: t.Context()}
			if err := m.serve(got, streamAsk); err != nil {
				t.Fatal(err)
			}
			for _, data := range []string{got.data(), c.want} {
				if !strings.HasSuffix(data, "\n\n") && !strings.HasSuffix(data, "\r\n") {
					t.Errorf("ends in half a line break: %q", data)
				}
			}
			if lines(got.data()) != lines(c.want) {
				t.Errorf("got %q, want %q", got.data(), c.want)
			}
		})
	}
}

// lines is text as a client sees it that knows only \n and \r\n; of blank lines one after the other it counts one.
func lines(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	return text
}

// TestFailover: while nothing was sent the next target is tried, and the client sees one answer only.
func TestFailover(t *testing.T) {
	t.Parallel()
	whole := stream(role, text, stop, done)
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	overloaded := `data: {"error":{"message":"overloaded","code":"503"}}` + "\n\n"
	cases := []struct {
		name  string
		first http.HandlerFunc
		body  string
	}{
		{"429", status(429, errorBody("no")), streamAsk},
		{"503", status(503, errorBody("no")), streamAsk},
		{"529", status(529, errorBody("no")), streamAsk},
		{"408", status(408, errorBody("no")), streamAsk},
		{"401", status(401, errorBody("no")), streamAsk},
		{"no answer at all", cut, streamAsk},
		{"not a stream", status(200, answer), streamAsk},
		{"an empty stream", stream(), streamAsk},
		{"a stream that ends within its first frame", stream(role[:30]), streamAsk},
		{"a stream of garbage", stream(bad), streamAsk},
		{"garbage right behind the first frame", stream(role, bad), streamAsk},
		{"the provider's error as the first frame", stream(overloaded), streamAsk},
		{"the provider's error right behind the role", stream(role, overloaded), streamAsk},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newOpenAI(t, c.first, whole)
			got, err := m.relay(t.Context(), c.body)
			if err != nil || got.data() != role+text+stop+done {
				t.Fatalf("%v: %q", err, got.data())
			}
			got.checkFraming(t)
			if h := got.head(); h.GetProvider() != "b" || h.GetAttempts() != 2 || h.GetStatus() != 200 {
				t.Errorf("head %v", h)
			}
			if _, failures := m.stats(0); failures != 1 {
				t.Errorf("%d failures at the first target", failures)
			}
			if _, failures := m.stats(1); failures != 0 {
				t.Errorf("%d failures at the second target", failures)
			}
		})
	}
}

// TestNoFailover: the caller's mistakes are the same everywhere.
func TestNoFailover(t *testing.T) {
	t.Parallel()
	for _, code := range []int{400, 404, 409, 413, 422} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			t.Parallel()
			m := newOpenAI(t, status(code, errorBody("yours")), untouched(t))
			got, err := m.relay(t.Context(), ask)
			if err != nil || got.data() != errorBody("yours") || int(got.head().GetStatus()) != code {
				t.Errorf("%v: %v", err, got.got)
			}
			if _, failures := m.stats(0); failures != 0 {
				t.Errorf("%d failures", failures)
			}
		})
	}
}

// TestLastErrorIsShown: where no target is left, the last one's own words reach the client.
func TestLastErrorIsShown(t *testing.T) {
	t.Parallel()
	m := newOpenAI(t, status(503, errorBody("first")), status(500, errorBody("second")))
	got, err := m.relay(t.Context(), streamAsk)
	if err != nil || got.data() != errorBody("second") {
		t.Fatalf("%v: %q", err, got.data())
	}
	got.checkFraming(t)
	if h := got.head(); h.GetStatus() != 500 || h.GetAttempts() != 2 || h.GetStream() || got.trailer().GetUsage() != nil {
		t.Errorf("%v", got.got)
	}
	for i := range 2 {
		if attempts, failures := m.stats(i); attempts != 1 || failures != 1 {
			t.Errorf("target %d: %d attempts, %d failures", i, attempts, failures)
		}
	}
}

// TestAllBroken: nothing was sent, so the failure is the call's.
func TestAllBroken(t *testing.T) {
	t.Parallel()
	m := newOpenAI(t, stream(role[:30]), stream(bad))
	got, err := m.relay(t.Context(), streamAsk)
	if reason(err) != errorsv1.Reason_REASON_PROVIDER_MALFORMED || len(got.got) != 0 {
		t.Errorf("%v: %q", err, got.data())
	}
}

// TestProviderErrorFrame: a provider's error within its stream reaches the client as it is, and counts as its failure.
func TestProviderErrorFrame(t *testing.T) {
	t.Parallel()
	frame := `data: {"error":{"message":"the server had an error"}}` + "\n\n"
	m := newOpenAI(t, stream(text, frame, done))
	got, err := m.relay(t.Context(), streamAsk)
	if err != nil || got.data() != text+frame || got.trailer().GetComplete() {
		t.Fatalf("%v: %q %v", err, got.data(), got.trailer())
	}
	if _, failures := m.stats(0); failures != 1 {
		t.Errorf("%d failures: the attempt counts as a success", failures)
	}
}

// TestAnthropicOverloaded: Anthropic says that it is overloaded in the first event of a stream under 200.
func TestAnthropicOverloaded(t *testing.T) {
	t.Parallel()
	overloaded := "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
	start := "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"model\":\"m\"}}\n\n"
	end := "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	m := newMesh(t, anthropic.New, stream(overloaded), stream(start, end))
	c := &client{ctx: t.Context()}
	err := m.server.Relay(&routerv1.RelayRequest{
		Dialect: llmv1.Dialect_DIALECT_ANTHROPIC, Operation: routerv1.Operation_OPERATION_CHAT,
		Body: []byte(`{"model":"x","max_tokens":1,"stream":true,"messages":[{"role":"user","content":"Hi"}]}`),
	}, c)
	if err != nil || c.data() != start+end {
		t.Errorf("%v: %q", err, c.data())
	}
}

// TestAnthropicCallersMistake: an error event that is about the request is the client's to read, and no provider's fault.
func TestAnthropicCallersMistake(t *testing.T) {
	t.Parallel()
	mistake := "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long\"}}\n\n"
	m := newMesh(t, anthropic.New, stream(mistake), untouched(t))
	c := &client{ctx: t.Context()}
	err := m.server.Relay(&routerv1.RelayRequest{
		Dialect: llmv1.Dialect_DIALECT_ANTHROPIC, Operation: routerv1.Operation_OPERATION_CHAT,
		Body: []byte(`{"model":"x","max_tokens":1,"stream":true,"messages":[{"role":"user","content":"Hi"}]}`),
	}, c)
	if err != nil || c.data() != mistake {
		t.Errorf("%v: %q", err, c.data())
	}
	if _, failures := m.stats(0); failures != 0 {
		t.Errorf("%d failures", failures)
	}
}

// TestHeldUntilContent: while another target is left, what shows the client nothing is held back, however it comes.
func TestHeldUntilContent(t *testing.T) {
	t.Parallel()
	piecewise := func(frames ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, f := range frames {
				_, _ = io.WriteString(w, f)
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		}
	}
	const comment = ": still there\n\n"
	for name, first := range map[string]http.HandlerFunc{
		"a role": piecewise(role), "comments": piecewise(comment, comment), "a role and comments": piecewise(comment, role, comment),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := newOpenAI(t, first, stream(role, text, done)).relay(t.Context(), streamAsk)
			if err != nil || c.data() != role+text+done || c.head().GetAttempts() != 2 {
				t.Errorf("%v: %q", err, c.data())
			}
			c.checkFraming(t)
		})
	}
}

// TestHeldIsBounded: what is held back stays within 64 KiB; beyond it the answer is the first target's.
func TestHeldIsBounded(t *testing.T) {
	t.Parallel()
	comments := strings.Repeat(": still there\n\n", 10_000)
	c, err := newOpenAI(t, stream(comments), untouched(t)).relay(t.Context(), streamAsk)
	if err != nil || !strings.HasPrefix(c.data(), comments) || !strings.Contains(c.data(), `"error"`) {
		t.Errorf("%v: %d bytes", err, len(c.data()))
	}
	c.checkFraming(t)
}

// TestClientGone: a client that takes no more ends the provider's stream, and nobody else is asked.
func TestClientGone(t *testing.T) {
	t.Parallel()
	gone, left := make(chan struct{}), errors.New("left")
	m := newOpenAI(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	}, untouched(t))
	c := &client{ctx: t.Context(), sent: func(int) error { return left }}
	if err := m.serve(c, streamAsk); !errors.Is(err, left) {
		t.Errorf("%v", err)
	}
	<-gone
}

func TestSteering(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		pairs  []string
		body   string
		want   errorsv1.Reason
		field  string
		served bool
	}{
		{"nothing", nil, ask, 0, "", true},
		{"a label the provider may see", []string{meta.Sensitivity, "medium"}, ask, 0, "", true},
		{"a label it may not", []string{meta.Sensitivity, "high"}, ask, errorsv1.Reason_REASON_SENSITIVITY, meta.Sensitivity, false},
		{"a label nobody knows", []string{meta.Sensitivity, "secret"}, ask, errorsv1.Reason_REASON_INVALID_FIELD, meta.Sensitivity, false},
		{"a route instead of the model", []string{meta.Route, "x"}, strings.Replace(ask, `"x"`, `"y"`, 1), 0, "", true},
		{"a route to nowhere", []string{meta.Route, "nowhere"}, ask, errorsv1.Reason_REASON_MODEL_NOT_FOUND, "model", false},
		{"no such model", nil, strings.Replace(ask, `"x"`, `"y"`, 1), errorsv1.Reason_REASON_MODEL_NOT_FOUND, "model", false},
		{"no JSON", nil, "}{", errorsv1.Reason_REASON_INVALID_JSON, "", false},
		{"no messages", nil, `{"model":"x"}`, errorsv1.Reason_REASON_MISSING_FIELD, "messages", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newOpenAI(t, status(200, answer))
			got, err := m.relay(metadata.NewIncomingContext(t.Context(), metadata.Pairs(c.pairs...)), c.body)
			if reason(err) != c.want || (len(got.got) > 0) != c.served {
				t.Fatalf("%v, %d messages, want %v", err, len(got.got), c.want)
			}
			if attempts, _ := m.stats(0); (attempts > 0) != c.served {
				t.Errorf("%d attempts", attempts)
			}
			if err != nil && fault.From(err).Metadata["field"] != c.field {
				t.Errorf("%v", fault.From(err).Metadata)
			}
		})
	}
}

// TestUnsupported: what isn't a chat in a known dialect, and a dialect that no target speaks.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*routerv1.RelayRequest{
		"no dialect":      {Operation: routerv1.Operation_OPERATION_CHAT, Body: []byte(ask)},
		"a newer dialect": {Dialect: 99, Operation: routerv1.Operation_OPERATION_CHAT, Body: []byte(ask)},
		"no operation":    {Dialect: llmv1.Dialect_DIALECT_OPENAI, Body: []byte(ask)},
		"no such operation in the dialect": {
			Dialect: llmv1.Dialect_DIALECT_OPENAI, Operation: routerv1.Operation_OPERATION_COUNT_TOKENS, Body: []byte(ask),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &client{ctx: t.Context()}
			err := newOpenAI(t, untouched(t)).server.Relay(r, c)
			if reason(err) != errorsv1.Reason_REASON_UNSUPPORTED || len(c.got) != 0 {
				t.Errorf("%v, %d messages", err, len(c.got))
			}
		})
	}
}

// TestTimeoutHeader: the caller's shorter deadline ends the call, and the provider isn't blamed.
func TestTimeoutHeader(t *testing.T) {
	t.Parallel()
	m := newOpenAI(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}, untouched(t))
	_, err := m.relay(metadata.NewIncomingContext(t.Context(), metadata.Pairs(meta.TimeoutMS, "30")), streamAsk)
	if f := fault.From(err); f == nil || f.Reason != errorsv1.Reason_REASON_TIMEOUT || f.Metadata["timer"] != "total" || f.Metadata["limit"] != "30ms" {
		t.Errorf("%v", err)
	}
	if _, failures := m.stats(0); failures != 0 {
		t.Errorf("%d failures", failures)
	}
}
