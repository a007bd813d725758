package jobs_test

import (
	"net/http"
	"strings"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
)

func unasked(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") }
}

func TestPrepareLine(t *testing.T) {
	t.Parallel()
	const beta = "anthropic-beta"
	for _, test := range []struct {
		name, kind string
		dialect    llmv1.Dialect
		operation  routerv1.Operation
		body, want string
		headers    []*routerv1.Header
		passes     string
		inputs     int64
	}{
		{"own bytes", "openai", openAI, chat, openAsk, `{"model":"gpt-5","messages":[{"role":"user","content":"Hi"}]}`, nil, "", 1},
		{"a stream that isn't wanted", "openai", openAI, chat, `{"model":"x","stream":false,"messages":[{}]}`, `{"model":"gpt-5","messages":[{}]}`, nil, "", 1},
		{"at the end", "openai", openAI, chat, `{"model":"x","messages":[{}],"stream":null}`, `{"model":"gpt-5","messages":[{}]}`, nil, "", 1},
		{
			"own bytes there", "anthropic", claude, chat, claudeAsk, `{"model":"gpt-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}`,
			[]*routerv1.Header{{Name: beta, Value: "b"}, {Name: "cookie", Value: "c"}, {Name: beta, Value: "b"}},
			"b", 1,
		},
		{
			"translated", "openai", claude, chat, claudeAsk, `{"model":"gpt-5","messages":[{"role":"user","content":"Hi"}],"max_completion_tokens":9}`,
			[]*routerv1.Header{{Name: beta, Value: "b"}},
			"", 1,
		},
		{"translated there", "anthropic", openAI, chat, openAsk, `{"model":"gpt-5","max_tokens":`, nil, "", 1},
		{"vectors", "openai", openAI, embed, embedAsk, `{"model":"gpt-5","input":["a","b","c"],"encoding_format":"base64"}`, nil, "", 3},
		{"one vector", "openai", openAI, embed, `{"model":"x","input":"a"}`, `{"model":"gpt-5","input":"a"}`, nil, "", 1},
		{"one list", "openai", openAI, embed, `{"model":"x","input":[1,2,3]}`, `{"model":"gpt-5","input":[1,2,3]}`, nil, "", 1},
		{"two lists", "openai", openAI, embed, `{"model":"x","input":[[1],[2]]}`, `{"model":"gpt-5","input":[[1],[2]]}`, nil, "", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, test.kind, nil, unasked(t))
			got, err := m.prepare(caller(t, "x-headgate-sensitivity", "low"), test.dialect, test.operation, test.body, test.headers...)
			if err != nil || got.GetLive() || !strings.HasPrefix(string(got.GetBody()), test.want) || got.GetInputs() != test.inputs {
				t.Fatalf("%v, %v", got, err)
			}
			passes := ""
			for _, h := range got.GetHeaders() {
				passes += h.GetValue()
			}
			if passes != test.passes {
				t.Errorf("headers %v", got.GetHeaders())
			}
			c := got.GetContext()
			if c.GetProvider() != "p" || c.GetUpstreamModel() != "gpt-5" || c.GetModel() != "x" || c.GetDialect() != test.dialect ||
				c.GetOperation() != test.operation || c.GetSensitivity() != llmv1.Sensitivity_SENSITIVITY_LOW || c.GetInputTokens() < 1 ||
				c.GetBase64() != (test.name == "vectors") || !c.GetPreparedAt().IsValid() || got.GetLimits().GetLines() < 50_000 {
				t.Errorf("%v", got)
			}
			if len(m.limits.tokens) != 1 || m.limits.tokens[0] < c.GetInputTokens() || len(m.ledger.rows) != 0 {
				t.Errorf("reserved %v, %d rows", m.limits.tokens, len(m.ledger.rows))
			}
		})
	}
}

// TestPrepareLive: what no batch API takes is asked live, and nothing is reserved for it.
func TestPrepareLive(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, kind string
		change     func(*adapter.Config)
		dialect    llmv1.Dialect
		operation  routerv1.Operation
		body       string
		headers    []string
	}{
		{"another kind", "openai_compatible", nil, openAI, chat, openAsk, nil},
		{"turned off", "openai", func(c *adapter.Config) { c.BatchOff = true }, openAI, chat, openAsk, nil},
		{"a stream", "openai", nil, openAI, chat, `{"model":"x","stream":true,"messages":[{}]}`, nil},
		{"a wish for the cache", "openai", nil, openAI, chat, openAsk, []string{"x-headgate-cache", "on"}},
		{"a wish for another answer", "openai", nil, openAI, chat, openAsk, []string{"x-headgate-cache", "refresh"}},
		{"vectors of Anthropic", "anthropic", nil, openAI, embed, embedAsk, nil},
		{"a count", "anthropic", nil, claude, routerv1.Operation_OPERATION_COUNT_TOKENS, claudeAsk, nil},
		{"what the other can't express", "anthropic", nil, openAI, chat, `{"model":"x","n":3,"messages":[{"role":"user","content":"Hi"}]}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, test.kind, test.change, unasked(t))
			got, err := m.prepare(caller(t, test.headers...), test.dialect, test.operation, test.body)
			if err != nil || !got.GetLive() || got.GetBody() != nil || got.GetContext() != nil {
				t.Errorf("%v, %v", got, err)
			}
			if len(m.limits.tokens) != 0 || m.ledger.recorded != 0 {
				t.Errorf("reserved %v, recorded %d", m.limits.tokens, m.ledger.recorded)
			}
		})
	}
}

// TestPrepareKept: a model that is kept by configuration alone goes to the batch all the same.
func TestPrepareKept(t *testing.T) {
	t.Parallel()
	for _, headers := range [][]string{nil, {"x-headgate-cache", "off"}} {
		m := newMesh(t, "openai", nil, unasked(t))
		if got, err := m.prepare(caller(t, headers...), openAI, embed, `{"model":"small","input":"a"}`); err != nil || got.GetLive() {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	limited := fault.New(errorsv1.Reason_REASON_RATE_LIMITED, "too much").After(1)
	for _, test := range []struct {
		name    string
		change  func(*mesh)
		body    string
		headers []string
		reason  errorsv1.Reason
	}{
		{"not JSON", nil, `{`, nil, errorsv1.Reason_REASON_INVALID_JSON},
		{"no model", nil, `{"messages":[{}]}`, nil, errorsv1.Reason_REASON_MISSING_FIELD},
		{"an unknown model", nil, `{"model":"y","messages":[{}]}`, nil, errorsv1.Reason_REASON_MODEL_NOT_FOUND},
		{"no trust", nil, openAsk, []string{"x-headgate-sensitivity", "high"}, errorsv1.Reason_REASON_SENSITIVITY},
		{"limits", func(m *mesh) { m.limits.refuses = limited }, openAsk, nil, errorsv1.Reason_REASON_RATE_LIMITED},
		{"a full log", func(m *mesh) { m.ledger.full = true }, openAsk, nil, errorsv1.Reason_REASON_USAGE_LOG_FULL},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, "openai", nil, unasked(t))
			if test.change != nil {
				test.change(m)
			}
			if _, err := m.prepare(caller(t, test.headers...), openAI, chat, test.body); err == nil || fault.From(err).Reason != test.reason {
				t.Errorf("%v", err)
			}
		})
	}
	m := newMesh(t, "openai", nil, unasked(t))
	if _, err := m.prepare(t.Context(), openAI, chat, openAsk); fault.From(err).Reason != errorsv1.Reason_REASON_MISSING_API_KEY {
		t.Errorf("nobody's line: %v", err)
	}
	if _, err := m.prepare(caller(t), claude, embed, embedAsk); fault.From(err).Reason != errorsv1.Reason_REASON_UNSUPPORTED {
		t.Errorf("an operation that the dialect hasn't: %v", err)
	}
}
