package account_test

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
	"github.com/headgate-mesh/headgate/services/router/internal/quota/quotatest"
)

// metered is the call of a key with a limit on tokens.
func metered(ctx context.Context, perMinute int64) context.Context {
	return auth.NewContext(ctx, auth.Principal{KeyID: "k", Tenant: "acme", Limits: &ratelimitv1.Limits{TokensPerMinute: perMinute}})
}

func open(t *testing.T, d *account.Desk, perMinute int64, ask account.Ask) *account.Call {
	t.Helper()
	ask.Operation, ask.Targets = observe.Chat, targets("dear")
	call, err := d.Open(metered(t.Context(), perMinute), ask)
	if err != nil {
		t.Fatal(err)
	}
	return call
}

// said is a reading of so many tokens by the estimate, counted one of as many by the provider.
func said(n int64) dialect.Reading { return dialect.Reading{Said: 4 * n} }

func counted(n int64) dialect.Reading {
	return dialect.Reading{Said: 1, Usage: &llmv1.TokenUsage{InputTokens: 100, OutputTokens: n}}
}

// TestWhoIsMetered: streams of accounts with a limit that they can cross, and nothing else.
func TestWhoIsMetered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		limits *ratelimitv1.Limits
		stream bool
		want   bool
	}{
		{"tokens", &ratelimitv1.Limits{TokensPerMinute: 5000}, true, true},
		{"money", &ratelimitv1.Limits{BudgetUsd: 1}, true, true},
		{"no stream", &ratelimitv1.Limits{TokensPerMinute: 5000}, false, false},
		{"other limits", &ratelimitv1.Limits{RequestsPerMinute: 5, ConcurrentRequests: 5}, true, false},
		{"none", nil, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, _, end := desk(t)
			ctx := auth.NewContext(t.Context(), auth.Principal{KeyID: "k", Tenant: "acme", Limits: c.limits})
			call, err := d.Open(ctx, account.Ask{Operation: observe.Chat, Stream: c.stream, Input: 10, Targets: targets("dear")})
			if err != nil {
				t.Fatal(err)
			}
			_, a := call.Attempt(t.Context(), targets("dear")[0])
			if due := a.Due(1 << 30); due != c.want {
				t.Errorf("metered: %v", due)
			}
			if err := a.Afford(said(1 << 30)); (err != nil) != (c.limits.GetTokensPerMinute() > 0 && c.want) {
				t.Errorf("%v", err)
			}
			a.End(nil)
			call.Close()
			end()
		})
	}
}

// TestAfford: what is held after each look of a stream that reserves more, with 100 tokens of input.
func TestAfford(t *testing.T) {
	t.Parallel()
	const usual = 1024
	type look struct {
		reading dialect.Reading
		held    int64
		why     errorsv1.Reason
	}
	finished := counted(2000)
	finished.Finish = llmv1.FinishReason_FINISH_REASON_STOP
	within := said(1020)
	within.Finish = llmv1.FinishReason_FINISH_REASON_STOP
	for _, c := range []struct {
		name   string
		limit  int64
		output int64
		looks  []look
	}{
		{"in slices", 10_000, 0, []look{
			{said(255), 100 + usual, 0},
			{said(512), 100 + usual, 0},
			{said(768), 100 + 2*usual, 0},
			{said(1536), 100 + 2*usual, 0},
			{said(1537 + 255), 100 + 3*usual, 0},
		}},
		{"smaller ones where little is left", 100 + usual + 300, 0, []look{
			{said(768), 100 + usual + 256, 0},
			{said(1024), 100 + usual + 256, 0},
			{said(1264), 100 + usual + 256, 0},
			{said(1280), 100 + usual + 256, errorsv1.Reason_REASON_RATE_LIMITED},
		}},
		{"a bound is left alone", 2100, 2000, []look{
			{said(7999), 2100, 0},
			{counted(2000), 2100, 0},
		}},
		{"until it was left behind, by the estimate", 2100, 2000, []look{{said(8000), 2100, errorsv1.Reason_REASON_RATE_LIMITED}}},
		{"or by the count", 2100, 2000, []look{{counted(2001), 2100, errorsv1.Reason_REASON_RATE_LIMITED}}},
		{"what was used beyond is reserved, too", 10_000, 500, []look{{said(2000), 100 + 2000 + usual, 0}}},
		{"a count as it goes", 10_000, 0, []look{
			{counted(255), 100 + usual, 0},
			{counted(600), 100 + 2*usual, 0},
			{counted(5000), 100 + 5000 + usual, 0},
			{counted(9950), 100 + 5000 + usual, errorsv1.Reason_REASON_RATE_LIMITED},
		}},
		{"a count that can't be", 10_000, 0, []look{{counted(math.MaxInt64), 100 + usual, errorsv1.Reason_REASON_RATE_LIMITED}}},
		{"a count at the end is no reason", 1200, 0, []look{{finished, 100 + usual, 0}}},
		{"an end within what is reserved is none", 100 + usual, 0, []look{
			{said(1000), 100 + usual, 0},
			{within, 100 + usual, 0},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, bank, end := desk(t)
			call := open(t, d, c.limit, account.Ask{Stream: true, Input: 100, Output: c.output})
			_, a := call.Attempt(t.Context(), targets("dear")[0])
			a.Answered(200, "id")
			for i, l := range c.looks {
				if err := a.Afford(l.reading); (err != nil) != (l.why != 0) || err != nil && fault.From(err).Reason != l.why {
					t.Errorf("look %d: %v", i, err)
				}
				if got := bank.Tokens("k"); got.Held != l.held {
					t.Errorf("look %d: %d held, want %d", i, got.Held, l.held)
				}
			}
			a.Reading(said(50))
			a.End(fault.New(errorsv1.Reason_REASON_CANCELLED, "left"))
			call.Close()
			end()
			if got := bank.Tokens("k"); got.Held != 0 || got.Spent != 150 {
				t.Errorf("%+v in the end", got)
			}
		})
	}
}

// TestAffordAfterAnother: what attempts before used isn't there any more.
func TestAffordAfterAnother(t *testing.T) {
	t.Parallel()
	d, bank, end := desk(t)
	call := open(t, d, 10_000, account.Ask{Stream: true, Input: 100})
	broken := fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "no")
	_, a := call.Attempt(t.Context(), targets("dear")[0])
	a.Answered(200, "id")
	a.Reading(said(1000))
	a.End(broken)
	_, a = call.Attempt(t.Context(), targets("dear")[0])
	a.Answered(200, "id")
	if err := a.Afford(said(256)); err != nil {
		t.Error(err)
	}
	if got := bank.Tokens("k"); got.Held != 100+1024+1024+(100+256-24) {
		t.Errorf("%+v", got)
	}
	a.Reading(said(300))
	a.End(broken)
	call.Close()
	end()
	if got := bank.Tokens("k"); got.Held != 0 || got.Spent != 1500 {
		t.Errorf("%+v", got)
	}
}

// TestDue: frames that can't have said enough are no reason to look, and none that may have is missed.
func TestDue(t *testing.T) {
	t.Parallel()
	d, bank, end := desk(t)
	call := open(t, d, 50_000, account.Ask{Stream: true, Input: 100, Output: 1000})
	_, a := call.Attempt(t.Context(), targets("dear")[0])
	const frame, says = 200, 8
	var sent, looks int64
	for i := range int64(3000) {
		sent += says
		if !a.Due(frame) {
			continue
		}
		looks++
		if err := a.Afford(dialect.Reading{Said: sent}); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
	if held := bank.Tokens("k").Held; looks > 1000 || held < 100+sent/4 {
		t.Errorf("%d looks at 3000 frames, %d tokens held for %d bytes", looks, held, sent)
	}
	call.Close()
	end()
}

// overloaded is a service that answers others.
type overloaded struct {
	*quotatest.Bank
	on atomic.Bool
}

func (o *overloaded) Reserve(ctx context.Context, r *ratelimitv1.ReserveRequest, opts ...grpc.CallOption) (*ratelimitv1.ReserveResponse, error) {
	if o.on.Load() {
		return nil, fault.New(errorsv1.Reason_REASON_OVERLOADED, "late")
	}
	return o.Bank.Reserve(ctx, r, opts...)
}

// TestAffordLate: an answer that is late costs a stream nothing that was reserved for it; it is asked for once more before
// that is used up.
func TestAffordLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		back bool
		why  errorsv1.Reason
	}{"twice": {false, errorsv1.Reason_REASON_SERVICE_UNAVAILABLE}, "once": {true, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, bank, end := desk(t)
			o := &overloaded{Bank: bank}
			d.Quota = quota.New(o, quota.Options{Holder: "late"})
			call := open(t, d, 50_000, account.Ask{Stream: true, Input: 100})
			_, a := call.Attempt(t.Context(), targets("dear")[0])
			o.on.Store(true)
			for _, n := range []int64{768, 1008} {
				if err := a.Afford(said(n)); err != nil {
					t.Errorf("at %d: %v", n, err)
				}
			}
			o.on.Store(!c.back)
			if err := a.Afford(said(1024)); (err != nil) != (c.why != 0) || err != nil && fault.From(err).Reason != c.why {
				t.Errorf("at the end: %v", err)
			}
			call.Close()
			end()
		})
	}
}

// TestAffordsTheScarcer: what is asked for again is only what is running out. Money that would do to the end is no reason to
// end a stream whose tokens are there again.
func TestAffordsTheScarcer(t *testing.T) {
	t.Parallel()
	d, bank, end := desk(t)
	d.Prices = list{"dear": {1e9, 5e9, 1e9}} // 1.524 dollars are reserved, 1.124 of them for what is usual
	d.Limits = func(string) *ratelimitv1.Limits { return &ratelimitv1.Limits{TokensPerMinute: 2280} }
	ask := account.Ask{Operation: observe.Chat, Stream: true, Input: 100, Targets: targets("dear")}
	as := func(key string, l *ratelimitv1.Limits) *account.Call {
		call, err := d.Open(auth.NewContext(t.Context(), auth.Principal{KeyID: key, Tenant: "acme", Limits: l}), ask)
		if err != nil {
			t.Fatal(err)
		}
		return call
	}
	other, call := as("other", nil), as("k", &ratelimitv1.Limits{BudgetUsd: 1.53})
	_, a := call.Attempt(t.Context(), targets("dear")[0])
	for _, n := range []int64{768, 1008} {
		if err := a.Afford(said(n)); err != nil {
			t.Errorf("at %d: %v", n, err)
		}
	}
	other.Close()
	for bank.Tokens("acme").Held > 1124 {
		runtime.Gosched()
	}
	if err := a.Afford(said(1024)); err != nil {
		t.Errorf("with tokens again: %v", err)
	}
	if tokens, money := bank.Tokens("acme").Held, bank.Till("k").Held; tokens != 1124+1024 || money != 1524e9 {
		t.Errorf("%d tokens and %d held", tokens, money)
	}
	call.Close()
	end()
}
