package adapter_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	anthropicadapter "github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	openaiadapter "github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

const ownKey = "headgates-own-credential-0123456789"

const (
	openAIAnswer = `{"id":"c1","model":"gpt-5-2025","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},` +
		`"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}`
	anthropicAnswer = `{"id":"m1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"Hi"}],` +
		`"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":5}}`
	openAIAsk       = `{"model":"gpt-5","messages":[{"role":"user","content":"Hi"}]}`
	openAIStreamAsk = `{"model":"gpt-5","stream":true,"messages":[{"role":"user","content":"Hi"}]}`
	anthropicAsk    = `{"model":"claude-x","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}`
	anthropicStream = `{"model":"claude-x","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"Hi"}]}`
)

// patient silences never run out within a test.
var patient = provider.Silences{FirstContent: time.Minute, Gap: time.Minute}

// server counts the connections it accepts.
type server struct {
	url   string
	conns atomic.Int64
}

func serve(t *testing.T, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// answering serves one answer to everybody.
func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// streaming serves frames one by one and ends well.
func streaming(frames ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { stream(w, frames...) }
}

func stream(w http.ResponseWriter, frames ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Request-Id", "up-1")
	w.WriteHeader(http.StatusOK)
	for _, f := range frames {
		_, _ = io.WriteString(w, f)
		_ = http.NewResponseController(w).Flush()
	}
}

func openAI(t *testing.T, base string) *provider.Provider { return build(t, openaiadapter.New, base) }

func claude(t *testing.T, base string) *provider.Provider {
	return build(t, anthropicadapter.New, base)
}

func build(t *testing.T, newAdapter func(adapter.Config) (*provider.Provider, error), base string) *provider.Provider {
	t.Helper()
	a, err := newAdapter(adapter.Config{
		Name: "acme", BaseURLs: []string{base}, Key: ownKey, Trust: llmv1.Sensitivity_SENSITIVITY_LOW, Connect: 5 * time.Second, UserAgent: "headgate/test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// call is a client's request to an adapter.
func call(t *testing.T, read func([]byte) (dialect.Facts, error), body string) provider.Call {
	t.Helper()
	facts, err := read([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return provider.Call{
		Operation: routerv1.Operation_OPERATION_CHAT, Body: []byte(body), Facts: facts, Model: facts.Model, Silences: patient,
	}
}

func openAICall(t *testing.T, body string) provider.Call {
	t.Helper()
	c := call(t, openai.ReadFacts, body)
	c.Dialect = llmv1.Dialect_DIALECT_OPENAI
	return c
}

func anthropicCall(t *testing.T, body string) provider.Call {
	t.Helper()
	c := call(t, anthropic.ReadFacts, body)
	c.Dialect = llmv1.Dialect_DIALECT_ANTHROPIC
	return c
}

func relay(t *testing.T, a *provider.Provider, c provider.Call) *provider.Answer {
	t.Helper()
	answer, err := a.Relay(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Stream != nil {
		t.Cleanup(answer.Stream.Close)
	}
	return answer
}

// reason is an error's; it fails the test where the error is none of ours.
func reason(t *testing.T, err error) errorsv1.Reason {
	t.Helper()
	if err == nil {
		return errorsv1.Reason_REASON_UNSPECIFIED
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("%v is no *fault.Error", err)
	}
	return f.Reason
}

// untilGone keeps a handler until its client has left, which net/http notices once the request's body is read.
func untilGone(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func canceller(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}
