package jobs_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/price"
)

const (
	openAnswer = `{"id":"c1","object":"chat.completion","model":"gpt-5-2025-08-07","choices":[{"index":0,` +
		`"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":500}}`
	claudeAnswer = `{"id":"m1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[{"type":"text","text":"Hi"}],` +
		`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1000,"output_tokens":500,"service_tier":"batch"}}`
	vectors = `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,2]}],"model":"text-embedding-3-small",` +
		`"usage":{"prompt_tokens":1000,"total_tokens":1000}}`
	openError   = `{"error":{"message":"too long","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`
	claudeError = `{"type":"error","error":{"type":"invalid_request_error","message":"too long"},"request_id":"r"}`
)

func finished(d llmv1.Dialect, o routerv1.Operation, model string, status int32, body string) *routerv1.FinishLineRequest {
	return &routerv1.FinishLineRequest{
		Context: &routerv1.LineContext{
			Provider: "p", UpstreamModel: model, Model: "x", Sensitivity: llmv1.Sensitivity_SENSITIVITY_LOW, InputTokens: 77,
			Dialect: d, Operation: o, PreparedAt: timestamppb.New(time.Now().Add(-time.Hour)),
		},
		Result: &routerv1.JobResult{
			Id: "job-1", Outcome: routerv1.JobOutcome_JOB_OUTCOME_ANSWERED, HttpStatus: status, Body: []byte(body), UpstreamRequestId: "up-1",
		},
		KeyId: "key_1", Tenant: "acme", Tags: map[string]string{"team": "search"}, JobId: "job_1",
	}
}

func (m *mesh) row(t *testing.T) *usagev1.Event {
	t.Helper()
	if len(m.ledger.rows) != 1 {
		t.Fatalf("%d rows", len(m.ledger.rows))
	}
	return m.ledger.rows["batch_1.7/1.job_1"]
}

func TestFinishLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, kind string
		dialect    llmv1.Dialect
		model      string
		body, want string
		usd        string
	}{
		{"own bytes", "openai", openAI, "gpt-5", openAnswer, openAnswer, "0.003125"},
		{"own bytes there", "anthropic", claude, "claude-haiku-4-5", claudeAnswer, claudeAnswer, "0.00175"},
		{"for Anthropic's client", "openai", claude, "gpt-5", openAnswer, `{"id":"c1","type":"message","role":"assistant","model":"gpt-5-2025-08-07",`, "0.003125"},
		{"for OpenAI's client", "anthropic", openAI, "claude-haiku-4-5", claudeAnswer, `{"id":"m1","object":"chat.completion",`, "0.00175"},
		{"no price", "openai", openAI, "gpt-5", strings.ReplaceAll(openAnswer, "gpt-5-2025-08-07", "nobody-knows"), ``, "0.003125"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, test.kind, nil, unasked(t))
			r := finished(test.dialect, chat, test.model, 200, test.body)
			got, err := m.jobs.FinishLine(caller(t), r)
			if err != nil || got.GetHttpStatus() != 200 || !strings.HasPrefix(string(got.GetBody()), test.want) || got.GetUsage().GetOutputTokens() != 500 {
				t.Fatalf("%v, %v", got, err)
			}
			again, err := m.jobs.FinishLine(caller(t), r)
			if err != nil || string(again.GetBody()) != string(got.GetBody()) || m.ledger.recorded != 2 {
				t.Errorf("again: %v, %v", again, err)
			}
			e := m.row(t)
			if e.GetKeyId() != "key_1" || e.GetTenant() != "acme" || e.GetOperation() != "chat" || e.GetDialect() != test.dialect || e.GetModel() != "x" ||
				e.GetProvider() != "p" || e.GetUpstreamModel() != test.model || e.GetResponseModel() == "" || e.GetAttempt() != 1 || e.GetRequestId() != "batch_1.7" {
				t.Errorf("row %v", e)
			}
			if e.GetHttpStatus() != 200 || e.GetOutcome() != usagev1.Outcome_OUTCOME_COMPLETE || e.GetFinishReason() != llmv1.FinishReason_FINISH_REASON_STOP ||
				e.GetTokens().GetInputTokens() != 1000 || e.GetEstimated() || e.GetTags()["team"] != "search" || e.GetSensitivity() != llmv1.Sensitivity_SENSITIVITY_LOW ||
				e.GetDuration().AsDuration() < time.Hour || e.GetUpstreamRequestId() != "up-1" || e.GetStream() {
				t.Errorf("row %v", e)
			}
			if got := price.USD(e.GetCostPicoUsd()); e.CostPicoUsd == nil || got != test.usd || e.GetPriceVersion() == "" {
				t.Errorf("it costs %s, want %s", got, test.usd)
			}
		})
	}
}

func TestFinishEmbeddings(t *testing.T) {
	t.Parallel()
	for base64, want := range map[bool]string{false: `"embedding":[1,2]`, true: `"embedding":"AACAPwAAAEA="`} {
		m := newMesh(t, "openai", nil, unasked(t))
		r := finished(openAI, embed, "text-embedding-3-small", 200, vectors)
		r.Context.Base64 = base64
		got, err := m.jobs.FinishLine(caller(t), r)
		if err != nil || !strings.Contains(string(got.GetBody()), want) || got.GetUsage().GetInputTokens() != 1000 {
			t.Errorf("%v, %v", got, err)
		}
		if e := m.row(t); e.GetOperation() != "embeddings" || price.USD(e.GetCostPicoUsd()) != "0.00001" {
			t.Errorf("row %v", e)
		}
	}
}

func TestFinishErrors(t *testing.T) {
	t.Parallel()
	const providerError, broken = usagev1.Outcome_OUTCOME_PROVIDER_ERROR, usagev1.Outcome_OUTCOME_BROKEN
	for _, test := range []struct {
		name    string
		dialect llmv1.Dialect
		status  int32
		body    string
		want    string
		shown   int32
		outcome usagev1.Outcome
	}{
		{"own words", openAI, 400, openError, openError, 400, providerError},
		{"own words there", claude, 529, claudeError, claudeError, 529, providerError},
		{"for Anthropic's client", claude, 400, openError, `{"type":"error","error":{"type":"invalid_request_error","message":"too long"`, 400, providerError},
		{"for OpenAI's client", openAI, 429, claudeError, `{"error":{"message":"too long","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, 429, providerError},
		{"no shape", openAI, 500, `oops sk-abcdefghijkl`, `{"error":{"message":"oops [redacted]","type":"server_error","param":null,"code":"PROVIDER_ERROR"}}`, 500, providerError},
		{"nothing", claude, 500, ``, `{"type":"error","error":{"type":"api_error","message":"the provider answered 500 without an explanation"`, 500, providerError},
		{"a half answer", openAI, 200, `{"id":`, `{"error":{"message":"provider p sent an answer that can't be understood"`, 502, broken},
		{"a half answer there", claude, 200, `{"id":`, `{"type":"error","error":{"type":"api_error","message":"provider p sent`, 502, broken},
		{"an odd status", openAI, 302, `{}`, `{"error":{"message":"provider p sent an answer that can't be understood"`, 502, broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, "openai", nil, unasked(t))
			got, err := m.jobs.FinishLine(caller(t), finished(test.dialect, chat, "gpt-5", test.status, test.body))
			if err != nil || got.GetHttpStatus() != test.shown || !strings.HasPrefix(string(got.GetBody()), test.want) || got.GetUsage() != nil {
				t.Fatalf("%v, %v", got, err)
			}
			if e := m.row(t); e.GetOutcome() != test.outcome || e.GetHttpStatus() != test.status || e.GetTokens() != nil && test.status >= 400 || e.GetReason() == "" {
				t.Errorf("row %v", e)
			}
		})
	}
}

// TestFinishUnasked: what was never asked has neither a body nor a row.
func TestFinishUnasked(t *testing.T) {
	t.Parallel()
	for _, outcome := range []routerv1.JobOutcome{routerv1.JobOutcome_JOB_OUTCOME_CANCELLED, routerv1.JobOutcome_JOB_OUTCOME_EXPIRED} {
		m := newMesh(t, "openai", nil, unasked(t))
		r := finished(openAI, chat, "gpt-5", 0, "")
		r.Result.Outcome = outcome
		if got, err := m.jobs.FinishLine(caller(t), r); err != nil || got.GetHttpStatus() != 0 || got.GetBody() != nil || m.ledger.recorded != 0 {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// TestFinishWithoutProvider: the answer is read without the provider, and the cost isn't known.
func TestFinishWithoutProvider(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "openai", nil, unasked(t))
	r := finished(claude, chat, "gpt-5", 200, openAnswer)
	r.Context.Provider = "gone"
	got, err := m.jobs.FinishLine(caller(t), r)
	if err != nil || got.GetHttpStatus() != 200 || got.GetUsage().GetInputTokens() != 1000 {
		t.Fatalf("%v, %v", got, err)
	}
	if e := m.row(t); e.GetProvider() != "gone" || e.CostPicoUsd != nil || e.GetTokens().GetInputTokens() != 1000 {
		t.Errorf("row %v", e)
	}
}

func TestFinishEstimates(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "openai", nil, unasked(t))
	body, _, _ := strings.Cut(openAnswer, `,"usage"`)
	if got, err := m.jobs.FinishLine(caller(t), finished(openAI, chat, "gpt-5", 200, body+"}")); err != nil || got.GetUsage() != nil {
		t.Fatalf("%v, %v", got, err)
	}
	if e := m.row(t); !e.GetEstimated() || e.GetTokens().GetInputTokens() != 77 || e.GetTokens().GetOutputTokens() < 1 {
		t.Errorf("row %v", e)
	}
}

func TestFinishWithFullLog(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "openai", nil, unasked(t))
	m.ledger.full = true
	_, err := m.jobs.FinishLine(caller(t), finished(openAI, chat, "gpt-5", 200, openAnswer))
	if fault.From(err).Reason != errorsv1.Reason_REASON_USAGE_LOG_FULL {
		t.Errorf("%v", err)
	}
}
