package edge_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

func model(id string, d llmv1.Dialect) *llmv1.Model {
	return &llmv1.Model{Id: id, DisplayName: id, OwnedBy: "acme", Provider: "p", Dialects: []llmv1.Dialect{d}}
}

func get(t *testing.T, h http.HandlerFunc) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	return w.Code, w.Body.String()
}

func TestModels(t *testing.T) {
	t.Parallel()
	r := &router{models: []*llmv1.Model{
		model("gpt", llmv1.Dialect_DIALECT_OPENAI), model("meta/llama", llmv1.Dialect_DIALECT_OPENAI), model("opus", llmv1.Dialect_DIALECT_ANTHROPIC),
	}}
	e := &edge.Edges{Router: r}
	cases := []struct {
		name    string
		handler http.HandlerFunc
		status  int
		has     string
		hasNot  string
	}{
		{"OpenAI's list", e.Models(edge.OpenAI()), 200, `"gpt"`, `"opus"`},
		{"Anthropic's list", e.Models(edge.Anthropic()), 200, `"opus"`, `"gpt"`},
		{"one", e.Model(edge.OpenAI(), "gpt"), 200, `"gpt"`, `"data"`},
		{"one with a slash", e.Model(edge.OpenAI(), "meta/llama"), 200, `"meta/llama"`, `"data"`},
		{"one of the other dialect", e.Model(edge.OpenAI(), "opus"), 404, `model_not_found`, `opus`},
		{"nobody's", e.Model(edge.Anthropic(), "nobodys"), 404, `not_found_error`, `nobodys`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			status, body := get(t, c.handler)
			if status != c.status || !strings.Contains(body, c.has) || strings.Contains(body, c.hasNot) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestModelsFail(t *testing.T) {
	t.Parallel()
	e := &edge.Edges{Router: &router{refusal: fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "no router")}}
	for _, d := range []*edge.Dialect{edge.OpenAI(), edge.Anthropic()} {
		for _, h := range []http.HandlerFunc{e.Models(d), e.Model(d, "x")} {
			status, body := get(t, h)
			if status != http.StatusServiceUnavailable {
				t.Errorf("%d", status)
			}
			checkError(t, d, []byte(body))
		}
	}
}

func TestRetryHeaders(t *testing.T) {
	t.Parallel()
	because := func(r errorsv1.Reason) *fault.Error { return fault.New(r, "x") }
	cases := []struct {
		name string
		err  *fault.Error
		want http.Header
	}{
		{"worth a retry", because(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE), http.Header{}},
		{"not worth one", because(errorsv1.Reason_REASON_INVALID_FIELD), http.Header{"X-Should-Retry": {"false"}}},
		{"internal", because(errorsv1.Reason_REASON_INTERNAL), http.Header{"X-Should-Retry": {"false"}}},
		{"in a second", because(errorsv1.Reason_REASON_OVERLOADED).After(time.Second), http.Header{"Retry-After": {"1"}, "Retry-After-Ms": {"1000"}}},
		{
			"in a bit more than a second", because(errorsv1.Reason_REASON_OVERLOADED).After(1001 * time.Millisecond),
			http.Header{"Retry-After": {"2"}, "Retry-After-Ms": {"1001"}},
		},
		{"in a moment", because(errorsv1.Reason_REASON_OVERLOADED).After(time.Millisecond), http.Header{"Retry-After": {"1"}, "Retry-After-Ms": {"1"}}},
		{
			"a budget, in an hour", because(errorsv1.Reason_REASON_BUDGET_EXHAUSTED).After(time.Hour),
			http.Header{"Retry-After": {"3600"}, "Retry-After-Ms": {"3600000"}, "X-Should-Retry": {"false"}},
		},
		{"a budget for ever", because(errorsv1.Reason_REASON_BUDGET_EXHAUSTED), http.Header{"X-Should-Retry": {"false"}}},
		{"no price", because(errorsv1.Reason_REASON_PRICE_UNKNOWN), http.Header{"X-Should-Retry": {"false"}}},
		{"another method", because(errorsv1.Reason_REASON_METHOD_NOT_ALLOWED).With("allow", "GET"), http.Header{"Allow": {"GET"}, "X-Should-Retry": {"false"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			edge.RetryHeaders(h, c.err)
			if len(h) != len(c.want) {
				t.Errorf("%v, want %v", h, c.want)
			}
			for name := range c.want {
				if h.Get(name) != c.want.Get(name) {
					t.Errorf("%s: %q", name, h.Get(name))
				}
			}
		})
	}
}

func TestServed(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	edge.Served(h, "acme", "m\u00fc\r\nX-Evil: 1", "", 3)
	if h.Get("X-Headgate-Model") != "m???X-Evil: 1" || h.Get("X-Headgate-Attempts") != "3" || h.Get("X-Headgate-Provider") != "acme" {
		t.Errorf("%v", h)
	}
	if _, ok := h["X-Headgate-Upstream-Request-Id"]; ok {
		t.Error("an id that isn't known is there")
	}
}

// TestRefusesForMoney: each dialect has its own status where a budget is used up, and no SDK repeats it.
func TestRefusesForMoney(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialect *edge.Dialect
		status  int
		text    string
	}{
		{edge.OpenAI(), 429, `"type":"insufficient_quota"`},
		{edge.Anthropic(), 402, `"type":"billing_error"`},
	} {
		w := httptest.NewRecorder()
		c.dialect.Refuse(w, "r", fault.New(errorsv1.Reason_REASON_BUDGET_EXHAUSTED, "m").With("limit", "10.00").After(time.Hour))
		h := w.Header()
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) || h.Get("X-Should-Retry") != "false" || h.Get("Retry-After") != "3600" {
			t.Errorf("%d %v %s", w.Code, h, w.Body)
		}
		for name := range h {
			if strings.Contains(strings.ToLower(name), "ratelimit") {
				t.Errorf("%s speaks of money", name)
			}
		}
	}
}
