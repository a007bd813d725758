package account_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
	"github.com/headgate-mesh/headgate/services/router/internal/quota/quotatest"
)

// list is a price list: what a token of input, of written cache and of output costs, by model.
type list map[string][3]int64

func (l list) CostIn(kind, model string, _ price.Tier, u *llmv1.TokenUsage) (int64, string, bool) {
	return l.Cost(kind, model, u)
}

func (l list) Cost(_, model string, u *llmv1.TokenUsage) (int64, string, bool) {
	p, ok := l[model]
	if !ok || u == nil || u.GetExtensions()["service_tier"] != "" {
		return 0, "", false
	}
	return p[0]*(u.GetInputTokens()-u.GetCacheWriteTokens()) + p[1]*u.GetCacheWriteTokens() + p[2]*u.GetOutputTokens(), "v", true
}

var prices = list{"cheap": {1, 1, 2}, "dear": {10, 10, 30}, "writes": {10, 12, 1}, "free": {0, 0, 0}}

func targets(models ...string) (all []catalog.Target) {
	for _, m := range models {
		all = append(all, catalog.Target{Model: m, Provider: &provider.Provider{Identity: provider.Identity{Name: "p", Kind: "openai"}}})
	}
	return all
}

// desk returns one whose quota is held by a bank, and what settles everything.
func desk(t *testing.T) (*account.Desk, *quotatest.Bank, func()) {
	t.Helper()
	observer, err := observe.New(slog.New(slog.DiscardHandler), tracenoop.NewTracerProvider().Tracer(""), metricnoop.NewMeterProvider().Meter(""))
	if err != nil {
		t.Fatal(err)
	}
	bank := &quotatest.Bank{}
	k := quota.New(bank, quota.Options{Holder: "r"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	return &account.Desk{Observer: observer, Logger: slog.New(slog.DiscardHandler), Quota: k, Prices: prices}, bank, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func budgeted(ctx context.Context) context.Context {
	return auth.NewContext(ctx, auth.Principal{KeyID: "k", Tenant: "acme", Limits: &ratelimitv1.Limits{BudgetUsd: 1}})
}

// TestReserves: what is reserved is the most that the call can cost at the dearest target, and targets without a price
// aren't asked.
func TestReserves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		ask       account.Ask
		want      int64
		targets   int
		forbidden bool
	}{
		{"the bound", account.Ask{Operation: observe.Chat, Input: 100, Output: 50, Targets: targets("cheap")}, 200, 1, false},
		{"the dearest", account.Ask{Operation: observe.Chat, Input: 100, Output: 50, Targets: targets("cheap", "dear", "free")}, 2500, 3, false},
		{"what is usual", account.Ask{Operation: observe.Chat, Input: 100, Targets: targets("cheap")}, 2148, 1, false},
		{"cache that is written", account.Ask{Operation: observe.Chat, Input: 100, Output: 50, Targets: targets("writes")}, 1250, 1, false},
		{"vectors have no output", account.Ask{Operation: observe.Embeddings, Input: 100, Output: 50, Targets: targets("dear")}, 1000, 1, false},
		{"counting is free", account.Ask{Operation: observe.CountTokens, Input: 100, Targets: targets("unknown", "dear")}, 0, 2, false},
		{"one is unknown", account.Ask{Operation: observe.Chat, Input: 100, Output: 50, Targets: targets("unknown", "cheap")}, 200, 1, false},
		{"all are unknown", account.Ask{Operation: observe.Chat, Input: 100, Targets: targets("unknown", "other")}, 0, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, bank, end := desk(t)
			call, err := d.Open(budgeted(t.Context()), c.ask)
			if c.forbidden {
				if f := fault.From(err); err == nil || f.Reason != errorsv1.Reason_REASON_PRICE_UNKNOWN || f.Metadata["field"] != "model" {
					t.Errorf("%v", err)
				}
				end()
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := bank.Till("k"); got.Held != c.want || len(call.Targets()) != c.targets {
				t.Errorf("%+v held, want %d; %d targets", got, c.want, len(call.Targets()))
			}
			call.Close()
			end()
			if got := bank.Till("k"); got.Held != 0 || got.Spent != 0 {
				t.Errorf("%+v after a call that asked nobody", got)
			}
		})
	}
}

// TestNoBudget: who has none may ask what has no price, and pays nothing.
func TestNoBudget(t *testing.T) {
	t.Parallel()
	d, bank, end := desk(t)
	call, err := d.Open(t.Context(), account.Ask{Operation: observe.Chat, Input: 100, Targets: targets("unknown")})
	if err != nil || len(call.Targets()) != 1 || bank.Reserves() != 0 {
		t.Errorf("%v, %d reservations", err, bank.Reserves())
	}
	call.Close()
	end()
}

// ending is how an attempt ends.
type ending struct {
	status  int
	reading dialect.Reading
	err     error
}

// TestSettles: a call costs what all of its attempts cost, and where nobody can tell, what was expected.
func TestSettles(t *testing.T) {
	t.Parallel()
	const estimate = 2500 // at the dearest target
	counted := dialect.Reading{Usage: &llmv1.TokenUsage{InputTokens: 10, OutputTokens: 5}}
	priority := dialect.Reading{Usage: &llmv1.TokenUsage{InputTokens: 10, Extensions: map[string]string{"service_tier": `"priority"`}}}
	left := fault.New(errorsv1.Reason_REASON_CANCELLED, "left")
	for _, c := range []struct {
		name string
		ends []ending
		want int64
	}{
		{"counted", []ending{{200, counted, nil}}, 250},
		{"an explicit zero", []ending{{200, dialect.Reading{Usage: &llmv1.TokenUsage{}}, nil}}, 0},
		{"more than was reserved", []ending{{200, dialect.Reading{Usage: &llmv1.TokenUsage{OutputTokens: 1000}}, nil}}, 30_000},
		{"refused by the provider", []ending{{429, dialect.Reading{}, fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "no").With("http_status", "429")}}, 0},
		{"unreachable, then counted", []ending{{0, dialect.Reading{}, fault.New(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, "no")}, {200, counted, nil}}, 250},
		{"broken, then counted", []ending{{200, dialect.Reading{Said: 40}, fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "no")}, {200, counted, nil}}, 1000 + 300 + 250},
		{"a tier without a price", []ending{{200, priority, nil}}, estimate},
		{"nobody waited for it", []ending{{0, dialect.Reading{}, left}}, estimate},
		{"nobody waited for the rest", []ending{{200, dialect.Reading{Said: 40}, left}}, 1300},
		{"no connection", []ending{{0, dialect.Reading{}, fault.New(errorsv1.Reason_REASON_TIMEOUT, "late").With("timer", "connect")}}, 0},
		{"no answer", []ending{{0, dialect.Reading{}, fault.New(errorsv1.Reason_REASON_TIMEOUT, "late").With("timer", "first_content")}}, estimate},
		{"never asked", []ending{{0, dialect.Reading{}, fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "no")}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, bank, end := desk(t)
			all := targets("dear")
			call, err := d.Open(budgeted(t.Context()), account.Ask{Operation: observe.Chat, Input: 100, Output: 50, Targets: all})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range c.ends {
				_, a := call.Attempt(t.Context(), all[0])
				a.Answered(e.status, "id")
				a.Reading(e.reading)
				a.End(e.err)
			}
			call.Close()
			end()
			if got := bank.Till("k"); got.Spent != c.want || got.Held != 0 {
				t.Errorf("%+v, want %d spent", got, c.want)
			}
		})
	}
}

// TestCachedCostsNothing: and yet it was a call.
func TestCachedCostsNothing(t *testing.T) {
	t.Parallel()
	d, bank, end := desk(t)
	call, err := d.Open(budgeted(t.Context()), account.Ask{Operation: observe.Chat, Input: 100, Targets: targets("dear")})
	if err != nil {
		t.Fatal(err)
	}
	call.Cached("p", "dear", time.Now())
	call.Close()
	end()
	if got := bank.Till("k"); got.Spent != 0 || got.Held != 0 || got.Most == 0 {
		t.Errorf("%+v", got)
	}
}
