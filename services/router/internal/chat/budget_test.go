package chat_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
	"github.com/headgate-mesh/headgate/services/router/internal/quota/quotatest"
)

// mills is a price list: a token of output costs a thousandth of a dollar.
type mills struct{}

func (m mills) CostIn(kind, model string, _ price.Tier, u *llmv1.TokenUsage) (int64, string, bool) {
	return m.Cost(kind, model, u)
}

func (mills) Cost(_, _ string, u *llmv1.TokenUsage) (int64, string, bool) {
	return u.GetOutputTokens() * money.Dollar / 1000, "v", true
}

// TestBudgetEndsStream: a typed stream gets what its budget pays, and then the status that says why there is no more.
func TestBudgetEndsStream(t *testing.T) {
	t.Parallel()
	word := strings.Repeat("x", 64) // 16 tokens
	frame := `data: {"id":"c","choices":[{"index":0,"delta":{"content":"` + word + `"}}]}` + "\n\n"
	var asked int
	m := newMesh(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		stream(strings.Repeat(frame, 200)+`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")(w, r)
	})
	bank := &quotatest.Bank{}
	k := quota.New(bank, quota.Options{Holder: "r"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	m.desk.Quota, m.desk.Prices = k, mills{}

	c, err := m.stream(auth.NewContext(t.Context(), auth.Principal{KeyID: "k", Tenant: "acme", Limits: &ratelimitv1.Limits{BudgetUsd: 1.5}}))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if f := fault.From(err); err == nil || f.Reason != errorsv1.Reason_REASON_BUDGET_EXHAUSTED || f.RetryAfter == 0 || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	shown := 0
	for _, m := range c.got {
		shown += len(m.GetEvent().GetPartDelta().GetText()) / len(word)
	}
	if got := bank.Till("k"); shown < 80 || got.Held != 0 || got.Most > 1500*money.Dollar/1000 || got.Spent != int64(shown)*16*money.Dollar/1000 {
		t.Errorf("%d words for %+v", shown, got)
	}
}
