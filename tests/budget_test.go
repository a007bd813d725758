package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	aoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/sim"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestBudgetErrors: a budget that is used up, too small for a call, or for a model without a price is told in the caller's
// dialect as what must not be repeated.
func TestBudgetErrors(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		empty, small := budgetKey(t, m, "0.015"), budgetKey(t, m, "0.001")
		useUp(t, m, empty)
		for name, c := range map[string]struct {
			key          madeKey
			path, body   string
			status       int
			code, reason string
		}{
			"OpenAI":               {empty, chatPath, boundedBody("gpt-5", 10), 429, "insufficient_quota", "BUDGET"},
			"OpenAI, streamed":     {empty, chatPath, openAIBody("gpt-5", true), 429, "insufficient_quota", "BUDGET"},
			"OpenAI's vectors":     {empty, "/v1/embeddings", `{"model":"text-embedding-3-small","input":"Hi"}`, 429, "insufficient_quota", "BUDGET"},
			"Anthropic":            {empty, "/v1/messages", chatBody("claude-opus-4-6", false), 402, "billing_error", "budget"},
			"Anthropic, streamed":  {empty, "/v1/messages", chatBody("claude-opus-4-6", true), 402, "billing_error", "budget"},
			"REST":                 {empty, "/api/v1/chat", `{"model":"gpt-5","prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]}}`, 429, "BUDGET_EXHAUSTED", "budget"},
			"larger than all":      {small, chatPath, boundedBody("gpt-5", 5000), 429, "whole budget", ""},
			"without a price":      {small, chatPath, openAIBody("vllm/qwen3-8b", false), 403, "PRICE_UNKNOWN", ""},
			"Anthropic, no price":  {small, "/v1/messages", chatBody("vllm/qwen3-8b", false), 403, "PRICE_UNKNOWN", ""},
			"counting, no price":   {small, "/v1/messages/count_tokens", `{"model":"vllm/qwen3-8b","messages":[{"role":"user","content":"Hi"}]}`, 200, "input_tokens", ""},
			"counting, used up":    {empty, "/v1/messages/count_tokens", `{"model":"claude-opus-4-6","messages":[{"role":"user","content":"Hi"}]}`, 200, "input_tokens", ""},
			"within what is there": {small, chatPath, boundedBody("gpt-5", 60), 200, "chat.completion", ""},
		} {
			resp, body := ask(t, m, c.key.Secret, http.MethodPost, c.path, c.body)
			if resp.StatusCode != c.status || !bytes.Contains(body, []byte(c.code)) || !strings.Contains(strings.ToLower(string(body)), strings.ToLower(c.reason)) {
				t.Errorf("%s: %d: %s", name, resp.StatusCode, body)
			}
			if c.status != 200 && !strings.HasPrefix(c.path, "/api") && resp.Header.Get("X-Should-Retry") != "false" {
				t.Errorf("%s: %v", name, resp.Header)
			}
		}
	})
}

// TestBudgetBySDK: the vendors' SDKs don't repeat what a budget refuses.
func TestBudgetBySDK(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	k := budgetKey(t, m, "0.028") // either call would be within all of it
	useUp(t, m, k)
	calls := 0
	counting := func(r *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		calls++
		return next(r)
	}
	c := openAIClient(m, option.WithAPIKey(k.Secret), option.WithMiddleware(counting), option.WithMaxRetries(3))
	var refused *openai.Error
	if _, err := c.Chat.Completions.New(t.Context(), question("gpt-5")); !errors.As(err, &refused) || refused.StatusCode != 429 || refused.Code != "insufficient_quota" || calls != 1 {
		t.Errorf("%d calls: %v", calls, err)
	}
	claude := anthropicClient(m, aoption.WithAPIKey(k.Secret), aoption.WithMiddleware(counting), aoption.WithMaxRetries(3))
	var failure *anthropic.Error
	if _, err := claude.Messages.New(t.Context(), message("claude-opus-4-6")); !errors.As(err, &failure) || failure.StatusCode != 402 || !strings.Contains(failure.RawJSON(), "billing_error") || calls != 2 {
		t.Errorf("%d calls: %v", calls, err)
	}
}

// greedy is a simulator that may say four times as much as was asked for at most.
func greedy(t *testing.T) http.Handler {
	t.Helper()
	s, err := sim.New(sim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			body = bytes.ReplaceAll(body, []byte(`:1000,`), []byte(`:4000,`))
			r.Body, r.ContentLength = ioNop(body), int64(len(body))
		}
		s.ServeHTTP(w, r)
	})
}

// TestStreamCrossesBudget: a stream whose budget is spent while it goes on ends with an error frame of its dialect, which
// the SDKs report. Without a bound it spends what there is; a provider that goes far beyond one is stopped, what it said is
// recorded, and blocks what follows.
func TestStreamCrossesBudget(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Upstream: greedy(t)})
	const rest = `"stream":true,"messages":[{"role":"user","content":"Hi"}]}`
	for name, c := range map[string]struct {
		path, body, budget, begins, says string
		sdk                              func(t *testing.T, key string) error
	}{
		"OpenAI": {
			chatPath, `{"model":"gpt-5","user":"sim:chunks=3000,chunk_delay=100us",` + rest,
			"0.02", "data: {", `"code":"insufficient_quota"`, func(t *testing.T, key string) error {
				t.Helper()
				p := question("gpt-5")
				p.User = openai.String("sim:chunks=3000,chunk_delay=100us")
				stream := openAIClient(m, option.WithAPIKey(key)).Chat.Completions.NewStreaming(t.Context(), p)
				defer stream.Close()
				for stream.Next() { //nolint:revive // the text doesn't matter
				}
				return stream.Err()
			},
		},
		"Anthropic": {
			"/v1/messages", `{"model":"claude-opus-4-6","max_tokens":1000,"metadata":{"user_id":"sim:chunks=3000,chunk_delay=100us"},` + rest,
			"0.05", "event: error\ndata: {", `"billing_error"`, func(t *testing.T, key string) error {
				t.Helper()
				p := message("claude-opus-4-6")
				p.MaxTokens = 1000
				p.Metadata = anthropic.MetadataParam{UserID: anthropic.String("sim:chunks=3000,chunk_delay=100us")}
				stream := anthropicClient(m, aoption.WithAPIKey(key)).Messages.NewStreaming(t.Context(), p)
				defer stream.Close()
				for stream.Next() { //nolint:revive // the text doesn't matter
				}
				return stream.Err()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, bySDK := budgetKey(t, m, c.budget), budgetKey(t, m, c.budget)
			resp, body := ask(t, m, raw.Secret, http.MethodPost, c.path, c.body)
			frames := bytes.Split(bytes.TrimSpace(body), []byte("\n\n"))
			last := frames[len(frames)-1]
			if resp.StatusCode != 200 || len(frames) < 500 || !bytes.HasPrefix(last, []byte(c.begins)) || !bytes.Contains(last, []byte(c.says)) {
				t.Errorf("%d, %d frames, at last %s", resp.StatusCode, len(frames), last)
			}
			if err := c.sdk(t, bySDK.Secret); err == nil || !strings.Contains(err.Error(), "budget") {
				t.Errorf("by SDK: %v", err)
			}
			for _, k := range []madeKey{raw, bySDK} {
				eventually(t, "the stream is in the ledger", func() bool { return len(rows(t, m, k.Secret, "")) == 1 })
				left, spent := budgetOf(t, m, k), spentBy(t, m, k)
				if name == "OpenAI" && (spent > left.limit || spent < left.limit*9/10) || name == "Anthropic" && left.left > 0 {
					t.Errorf("%d of %d were spent, %d are left", spent, left.limit, left.left)
				}
				if resp, body := ask(t, m, k.Secret, http.MethodPost, c.path, c.body); resp.StatusCode == 200 {
					t.Errorf("another began: %s", tail(body))
				}
			}
		})
	}
}

// TestBudgetCommands: a key with a budget made and looked at on the command line.
func TestBudgetCommands(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		secret := strings.TrimSpace(command(t, m, "keys", mesh.Key, "key", "create", "--name", "frugal", "--tenant", "acme", "--budget", "0.5", "--budget-period", "day"))
		id := ""
		eventually(t, "the key is known", func() bool {
			resp, _ := ask(t, m, secret, http.MethodGet, "/v1/models", "")
			return resp.StatusCode == 200
		})
		for _, line := range strings.Split(command(t, m, "keys", mesh.Key, "key", "list"), "\n") {
			if strings.Contains(line, "frugal") && strings.Contains(line, "$0.50/day") {
				id, _, _ = strings.Cut(line, " ")
			}
		}
		if id == "" {
			t.Fatal("the list doesn't have the key with its budget")
		}
		eventually(t, "a call is made", func() bool { // right after a start budgets are closed
			resp, body := ask(t, m, secret, http.MethodPost, chatPath, `{"model":"gpt-5","user":"sim:chunks=1000","messages":[{"role":"user","content":"Hi"}]}`)
			if resp.StatusCode != 200 && resp.StatusCode != 503 {
				t.Fatalf("%d: %s", resp.StatusCode, body)
			}
			return resp.StatusCode == 200
		})
		for _, by := range []struct{ key, id string }{{mesh.Key, id}, {secret, ""}} {
			eventually(t, "the quota shows what is left", func() bool {
				out := command(t, m, "ratelimit", by.key, append([]string{"quota"}, strings.Fields(by.id)...)...)
				return strings.Contains(out, "key "+id+" of tenant acme") && strings.Contains(out, "budget") && strings.Contains(out, "$0.50") && strings.Contains(out, "$0.48")
			})
		}
	})
}

// command runs headgate as a user would, against a service of a mesh, and returns what it prints.
func command(t *testing.T, m *mesh.Mesh, service, key string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), mesh.Binary(t), append(args, "--addr", m.Addr(service))...)
	cmd.Env = append(os.Environ(), "HEADGATE_ADMIN_KEY=", "HEADGATE_KEY="+key)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("headgate %s: %v\n%s%s", strings.Join(args, " "), err, out, said.Bytes())
	}
	return string(out)
}

// boundedBody is a call that says how long its answer may be.
func boundedBody(model string, bound int) string {
	return fmt.Sprintf(`{"model":%q,"max_completion_tokens":%d,"messages":[{"role":"user","content":"Hi"}]}`, model, bound)
}
