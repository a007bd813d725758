package relay_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// askAs makes a call of a key with limits.
func (b *bank) askAs(t *testing.T, d llmv1.Dialect, l *ratelimitv1.Limits, body string) (*client, error) {
	t.Helper()
	c := &client{ctx: auth.NewContext(t.Context(), auth.Principal{KeyID: "k", Tenant: "acme", Limits: l})}
	return c, b.server.Relay(&routerv1.RelayRequest{Dialect: d, Operation: routerv1.Operation_OPERATION_CHAT, Body: []byte(body)}, c)
}

// counting answers in words of 8 bytes, each of which the provider counts as 16 tokens, as it goes.
func counting(words int) http.HandlerFunc {
	n := 0
	each := `data: {"id":"c","choices":[{"index":0,"delta":{"content":"01234567"}}],"usage":{"prompt_tokens":5,"completion_tokens":%d}}` + "\n\n"
	return func(w http.ResponseWriter, r *http.Request) {
		var all strings.Builder
		for range words {
			n += 16
			fmt.Fprintf(&all, each, n)
		}
		stream(role, all.String(), stop, done)(w, r)
	}
}

// TestTokensEndStream: a stream goes on as long as the limit on tokens has some, and ends with an error of the client's
// dialect where it has none. One that declares a bound isn't looked at before it has left that behind.
func TestTokensEndStream(t *testing.T) {
	t.Parallel()
	const openAIError = `"type":"tokens","param":null,"code":"rate_limit_exceeded"`
	const anthropicError = `"type":"rate_limit_error"`
	bound := func(n int) string {
		return strings.Replace(unbound, `"stream"`, fmt.Sprintf(`"max_tokens":%d,"stream"`, n), 1)
	}
	for _, c := range []struct {
		name       string
		newAdapter func(adapter.Config) (*provider.Provider, error)
		handler    http.HandlerFunc
		dialect    llmv1.Dialect
		body       string
		limit      int64
		least      int64 // words that the client gets, of 16 tokens by the estimate
		ends       string
		estimated  bool
	}{
		{"what was reserved", openai.New, openAITalks(400), openAI, unbound, 1045, 60, openAIError, true},
		{"a part more", openai.New, openAITalks(400), openAI, unbound, 1300, 76, openAIError, true},
		{"several times", openai.New, openAITalks(400), openAI, unbound, 2500, 146, openAIError, true},
		{"to the end", openai.New, openAITalks(400), openAI, unbound, 20_000, 400, "", true},
		{"just to the end", openai.New, openAITalks(60), openAI, unbound, 1045, 60, "", true},
		{"Anthropic", anthropic.New, anthropicTalks(400), anthropics, bound(16), 2500, 147, anthropicError, true},
		{"Anthropic, to the end", anthropic.New, anthropicTalks(400), anthropics, bound(16), 20_000, 400, "", false},
		{"OpenAI for an Anthropic client", openai.New, openAITalks(400), anthropics, bound(16), 2500, 147, anthropicError, true},
		{"Anthropic for an OpenAI client", anthropic.New, anthropicTalks(400), openAI, unbound, 2500, 146, openAIError, true},
		{"a bound that is not left behind", openai.New, openAITalks(400), openAI, bound(2000), 2500, 400, "", true},
		{"a bound that is", openai.New, openAITalks(400), openAI, bound(100), 2500, 100, openAIError, true},
		{"counted as it goes", openai.New, counting(400), openAI, unbound, 2500, 146, openAIError, true},
		{"counted as it goes, to the end", openai.New, counting(400), openAI, unbound, 20_000, 400, "", false},
		{"a bound that the count leaves behind", openai.New, counting(400), openAI, bound(1000), 2500, 149, openAIError, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, l := banked(t, c.newAdapter, c.handler), &ledger{}
			b.desk.Ledger, b.desk.Prices = l, nil
			got, err := b.askAs(t, c.dialect, &ratelimitv1.Limits{TokensPerMinute: c.limit}, c.body)
			b.close()
			if err != nil {
				t.Fatal(err)
			}
			got.checkFraming(t)
			words := int64(strings.Count(got.data(), "01234567"))
			if strings.Contains(got.data(), word) {
				words = int64(strings.Count(got.data(), word))
			}
			used, end := b.Tokens("k"), got.data()[max(0, len(got.data())-600):]
			t.Logf("%d words, used %d, at most %d of %d; %d reservations", words, used.Spent, used.Most, c.limit, b.Reserves())
			if got.trailer().GetComplete() != (c.ends == "") || !strings.Contains(end, c.ends) {
				t.Errorf("ends in %s", end)
			}
			if c.ends != "" && (!strings.Contains(end, fmt.Sprintf("the tokens limit of the key (%d per minute) has ", c.limit)) || !strings.Contains(end, "wait 60.0 s")) {
				t.Errorf("says %s", end)
			}
			if words < c.least {
				t.Errorf("%d words, want %d", words, c.least)
			}
			if used.Held != 0 || c.ends != "" && used.Most > c.limit {
				t.Errorf("%+v: over the limit", used)
			}
			rows := l.written()
			if len(rows) != 1 || c.ends != "" && rows[0].GetReason() != "RATE_LIMITED" || rows[0].GetEstimated() != c.estimated ||
				rows[0].GetTokens().GetInputTokens()+rows[0].GetTokens().GetOutputTokens() != used.Spent {
				t.Errorf("rows %v", rows)
			}
		})
	}
}

// TestTokensAndMoney: one question is for both, and the scarcer one ends the stream.
func TestTokensAndMoney(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		limits       *ratelimitv1.Limits
		ends         string
		reservations int
	}{
		{"tokens are scarce", &ratelimitv1.Limits{TokensPerMinute: 2500, BudgetUsd: 50}, "rate_limit_exceeded", 8},
		{"money is", &ratelimitv1.Limits{TokensPerMinute: 50_000, BudgetUsd: 2.5}, "insufficient_quota", 8},
		{"neither", &ratelimitv1.Limits{TokensPerMinute: 50_000, BudgetUsd: 50}, "[DONE]", 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := banked(t, openai.New, openAITalks(400))
			got, err := b.askAs(t, openAI, c.limits, unbound)
			b.close()
			if err != nil || !strings.Contains(got.data()[max(0, len(got.data())-400):], c.ends) {
				t.Errorf("%v, ends in %s", err, got.data()[max(0, len(got.data())-400):])
			}
			used, spent := b.Tokens("k"), b.Till("k")
			t.Logf("%+v tokens, %+v spent, %d reservations", used, spent, b.Reserves())
			if used.Held != 0 || spent.Held != 0 || used.Most > c.limits.TokensPerMinute || float64(spent.Most) > c.limits.BudgetUsd*1e12 || b.Reserves() > c.reservations {
				t.Errorf("%+v tokens, %+v, %d reservations", used, spent, b.Reserves())
			}
		})
	}
}

// TestTokensOfStreams: 16 streams at once on one limit never use more than it together.
func TestTokensOfStreams(t *testing.T) {
	t.Parallel()
	b := banked(t, openai.New, openAITalks(300))
	const n, limit = 16, 40_000
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			got, err := b.askAs(t, openAI, &ratelimitv1.Limits{TokensPerMinute: limit}, unbound)
			if r := reason(err); r != 0 && r != errorsv1.Reason_REASON_RATE_LIMITED {
				t.Error(err)
			}
			if err == nil && !got.trailer().GetComplete() && !strings.Contains(got.data(), "rate_limit_exceeded") {
				t.Error("a stream just ended")
			}
		})
	}
	wg.Wait()
	b.close()
	used := b.Tokens("k")
	t.Logf("%+v of %d", used, limit)
	if used.Held != 0 || used.Most > limit || used.Spent < limit*3/4 {
		t.Errorf("%+v", used)
	}
}

// TestNoMeter: who has neither a limit on tokens nor a budget is never asked again.
func TestNoMeter(t *testing.T) {
	t.Parallel()
	b := banked(t, openai.New, openAITalks(400))
	got, err := b.askAs(t, openAI, &ratelimitv1.Limits{RequestsPerMinute: 5}, unbound)
	if err != nil || !got.trailer().GetComplete() || b.Reserves() != 1 {
		t.Errorf("%v, %d reservations", err, b.Reserves())
	}
}
