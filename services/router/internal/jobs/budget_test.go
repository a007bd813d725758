package jobs_test

import (
	"context"
	"net/http"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
	"github.com/headgate-mesh/headgate/services/router/internal/quota/quotatest"
)

// spender is the context of a call for a key with a budget in US dollars.
func spender(t *testing.T, budget float64) context.Context {
	t.Helper()
	return auth.NewContext(caller(t), auth.Principal{
		KeyID: "key_1", Tenant: "acme", Limits: &ratelimitv1.Limits{BudgetUsd: budget, BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY},
	})
}

// TestBudget: a line's money is reserved at the price of batches until its answer is there, and what it didn't use is free
// again.
func TestBudget(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		result *routerv1.JobResult
		spent  int64
	}{
		// gpt-5 in a batch: 0.625 and 5 dollars for a million tokens.
		"answered":  {result: &routerv1.JobResult{Outcome: routerv1.JobOutcome_JOB_OUTCOME_ANSWERED, HttpStatus: 200, Body: []byte(`{"id":"c","object":"chat.completion","created":1,"model":"gpt-5","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10}}`)}, spent: 8*625_000 + 2*5_000_000},
		"failed":    {result: &routerv1.JobResult{Outcome: routerv1.JobOutcome_JOB_OUTCOME_ANSWERED, HttpStatus: 500, Body: []byte(`{"error":{"message":"no","type":"server_error"}}`)}},
		"cancelled": {result: &routerv1.JobResult{Outcome: routerv1.JobOutcome_JOB_OUTCOME_CANCELLED}},
		"expired":   {result: &routerv1.JobResult{Outcome: routerv1.JobOutcome_JOB_OUTCOME_EXPIRED}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, "openai", nil, http.NotFound)
			bank := &quotatest.Bank{}
			keeper := quota.New(bank, quota.Options{Holder: "router"})
			m.desk.Quota = keeper
			line, err := m.prepare(spender(t, 1), openAI, chat, openAsk)
			if err != nil {
				t.Fatal(err)
			}
			held := bank.Till("key_1").Held
			if held < 1024*5_000_000 || held > 1100*5_000_000 {
				t.Errorf("%d is held", held)
			}
			for range 2 {
				if _, err := m.jobs.FinishLine(caller(t), &routerv1.FinishLineRequest{
					Context: line.GetContext(), Result: c.result, KeyId: "key_1", Tenant: "acme", JobId: "job_1",
				}); err != nil {
					t.Fatal(err)
				}
			}
			settle(t, keeper)
			if till := bank.Till("key_1"); till.Held != 0 || till.Spent != c.spent {
				t.Errorf("%+v, want %d spent", till, c.spent)
			}
		})
	}
}

// settle lets a keeper tell what it was told.
func settle(t *testing.T, k *quota.Keeper) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestNoBudgetLeft(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "openai", nil, http.NotFound)
	m.desk.Quota = quota.New(&quotatest.Bank{}, quota.Options{Holder: "router"})
	if _, err := m.prepare(spender(t, 0.001), openAI, chat, openAsk); fault.From(err).Reason != errorsv1.Reason_REASON_LARGER_THAN_LIMIT {
		t.Error(err)
	}
	if line, err := m.prepare(spender(t, 1), openAI, chat, `{"model":"p/nobody-knows-what-it-costs","messages":[{"role":"user","content":"Hi"}]}`); err != nil || !line.GetLive() {
		t.Errorf("a model without a price: %v, %v", line, err)
	}
}
