package relay_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
	"github.com/headgate-mesh/headgate/services/router/internal/quota/quotatest"
)

// millionths is a price list of one entry: a token of output costs so many millionths of a dollar.
type millionths int64

// unpriced is a price list without entries.
const unpriced millionths = -1

func (m millionths) CostIn(kind, model string, _ price.Tier, u *llmv1.TokenUsage) (int64, string, bool) {
	return m.Cost(kind, model, u)
}

func (m millionths) Cost(_, model string, u *llmv1.TokenUsage) (int64, string, bool) {
	return u.GetOutputTokens() * int64(m) * money.Dollar / 1e6, "v", model == "m" && u != nil && m != unpriced
}

// bank is a mesh whose calls are held to a budget.
type bank struct {
	*mesh
	*quotatest.Bank
	close func() // returns once everything is settled
}

// banked opens one at a thousandth of a dollar for a token of output: what is usual is 1.024 dollars.
func banked(t *testing.T, newAdapter func(adapter.Config) (*provider.Provider, error), handlers ...http.HandlerFunc) *bank {
	t.Helper()
	b := &bank{mesh: newMesh(t, newAdapter, handlers...), Bank: &quotatest.Bank{}}
	k := quota.New(b.Bank, quota.Options{Holder: "r"})
	b.desk.Quota, b.desk.Prices = k, millionths(1000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	b.close = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.close)
	return b
}

// ask makes a call of a key with a budget.
func (b *bank) ask(t *testing.T, d llmv1.Dialect, usd float64, body string) (*client, error) {
	t.Helper()
	c := &client{ctx: auth.NewContext(t.Context(), auth.Principal{
		KeyID: "k", Tenant: "acme", Limits: &ratelimitv1.Limits{BudgetUsd: usd, BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY},
	})}
	return c, b.server.Relay(&routerv1.RelayRequest{Dialect: d, Operation: routerv1.Operation_OPERATION_CHAT, Body: []byte(body)}, c)
}

const (
	openAI, anthropics = llmv1.Dialect_DIALECT_OPENAI, llmv1.Dialect_DIALECT_ANTHROPIC
	// word is 64 bytes, 16 tokens by the estimate: 0.016 dollars.
	word = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// talkative answers in words, without a count, as long as somebody listens.
func talkative(words int, before, each, after string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, before)
		for range words {
			if _, err := fmt.Fprintf(w, each, word); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, after)
	}
}

func openAITalks(words int) http.HandlerFunc {
	return talkative(words, role, `data: {"id":"c","choices":[{"index":0,"delta":{"content":"%s"}}]}`+"\n\n", stop+done)
}

func anthropicTalks(words int) http.HandlerFunc {
	event := func(kind, rest string) string {
		return "event: " + kind + "\ndata: {\"type\":\"" + kind + `"` + rest + "}\n\n"
	}
	return talkative(words,
		event("message_start", `,"message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":5,"output_tokens":1}}`)+
			event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`),
		event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":"%s"}`),
		event("content_block_stop", `,"index":0`)+event("message_delta", `,"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}`)+event("message_stop", ""))
}

const unbound = `{"model":"x","stream":true,"messages":[{"role":"user","content":"Hi"}]}`

// TestBudgetEndsStream: a stream without a declared bound goes on as long as its budget has money, and ends with an error
// of the client's dialect where it has none.
func TestBudgetEndsStream(t *testing.T) {
	t.Parallel()
	const openAIError = `"type":"insufficient_quota","param":null,"code":"insufficient_quota"`
	const anthropicError = `"type":"billing_error"`
	for _, c := range []struct {
		name       string
		newAdapter func(adapter.Config) (*provider.Provider, error)
		handler    http.HandlerFunc
		dialect    llmv1.Dialect
		budget     float64
		least      int64 // words that the client gets
		ends       string
	}{
		{"what was reserved", openai.New, openAITalks(400), openAI, 1.024, 62, openAIError},
		{"a part more", openai.New, openAITalks(400), openAI, 1.3, 77, openAIError},
		{"once more", openai.New, openAITalks(400), openAI, 3, 178, openAIError},
		{"to the end", openai.New, openAITalks(400), openAI, 20, 400, ""},
		{"Anthropic", anthropic.New, anthropicTalks(400), anthropics, 3, 175, anthropicError},
		{"Anthropic, to the end", anthropic.New, anthropicTalks(400), anthropics, 20, 400, ""},
		{"OpenAI for an Anthropic client", openai.New, openAITalks(400), anthropics, 3, 175, anthropicError},
		{"Anthropic for an OpenAI client", anthropic.New, anthropicTalks(400), openAI, 3, 180, openAIError},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, l := banked(t, c.newAdapter, c.handler), &ledger{}
			b.desk.Ledger = l
			body := unbound
			if c.dialect == anthropics { // which always has a bound; this provider doesn't care
				body = strings.Replace(body, `"stream"`, `"max_tokens":16,"stream"`, 1)
			}
			got, err := b.ask(t, c.dialect, c.budget, body)
			b.close()
			if err != nil {
				t.Fatal(err)
			}
			got.checkFraming(t)
			words := int64(strings.Count(got.data(), word))
			spent := b.Till("k")
			t.Logf("%d words, spent %s, at most %s of %v; %d reservations", words, money.USD(spent.Spent), money.USD(spent.Most), c.budget, b.Reserves())
			if got.trailer().GetComplete() != (c.ends == "") || !strings.Contains(got.data()[max(0, len(got.data())-600):], c.ends) {
				t.Errorf("ends in %s", got.data()[max(0, len(got.data())-600):])
			}
			if words < c.least {
				t.Errorf("%d words, want %d", words, c.least)
			}
			if limit, _ := money.FromUSD(c.budget); spent.Most > limit || spent.Held != 0 {
				t.Errorf("%+v: over the budget", spent)
			}
			if rows := l.written(); len(rows) != 1 || c.ends != "" && (!rows[0].GetEstimated() || rows[0].GetReason() != "BUDGET_EXHAUSTED") || rows[0].GetCostPicoUsd() != spent.Spent {
				t.Errorf("rows %v", rows)
			}
		})
	}
}

// TestBudgetOfStreams: 64 streams at once on one budget never spend more than it together.
func TestBudgetOfStreams(t *testing.T) {
	t.Parallel()
	b := banked(t, openai.New, openAITalks(300))
	const n, usd = 64, 100
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			got, err := b.ask(t, openAI, usd, unbound)
			switch reason(err) {
			case 0, errorsv1.Reason_REASON_BUDGET_EXHAUSTED:
			case errorsv1.Reason_REASON_RATE_LIMITED: // what is left is held by the others
			default:
				t.Error(err)
			}
			if err == nil && !got.trailer().GetComplete() && !strings.Contains(got.data(), "insufficient_quota") {
				t.Error("a stream just ended")
			}
		})
	}
	wg.Wait()
	b.close()
	spent := b.Till("k")
	t.Logf("spent %s, at most %s of 100.00 at once", money.USD(spent.Spent), money.USD(spent.Most))
	if spent.Held != 0 || spent.Most > usd*money.Dollar {
		t.Errorf("%+v", spent)
	}
	if spent.Spent < usd*money.Dollar*9/10 {
		t.Errorf("%+v: most of it wasn't used", spent)
	}
}

// TestBudgetBeforehand: a call is refused before anybody is asked.
func TestBudgetBeforehand(t *testing.T) {
	t.Parallel()
	bounded := strings.Replace(ask, "{", `{"max_tokens":2000,`, 1)
	for _, c := range []struct {
		name, body string
		budget     float64
		prices     millionths
		want       errorsv1.Reason
	}{
		{"fits", bounded, 2, 1000, 0},
		{"its bound can't fit", bounded, 1.99, 1000, errorsv1.Reason_REASON_LARGER_THAN_LIMIT},
		{"what is usual can't fit", ask, 1, 1000, errorsv1.Reason_REASON_LARGER_THAN_LIMIT},
		{"costs nothing", ask, 0.000001, 0, 0},
		{"nobody knows", ask, 100, unpriced, errorsv1.Reason_REASON_PRICE_UNKNOWN},
		{"nobody knows, and no budget", ask, 0, unpriced, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := false
			b := banked(t, openai.New, func(w http.ResponseWriter, r *http.Request) {
				asked = true
				status(200, answer)(w, r)
			})
			b.desk.Prices = c.prices
			_, err := b.ask(t, openAI, c.budget, c.body)
			if reason(err) != c.want || asked != (c.want == 0) {
				t.Errorf("%v, asked %v", err, asked)
			}
			if c.want == errorsv1.Reason_REASON_PRICE_UNKNOWN && fault.From(err).Metadata["field"] != "model" {
				t.Errorf("%v doesn't name the field", err)
			}
			b.close()
			if got := b.Till("k"); got.Held != 0 || (c.want == 0 && c.budget > 0 && got.Spent != 5*int64(c.prices)*money.Dollar/1e6) {
				t.Errorf("%+v", got)
			}
		})
	}
}
