package ratelimit_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/ratelimit"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/redisserver"
)

// ledger is a usage service in which everybody spent the same; while it is slow it answers nobody.
type ledger struct {
	usagev1.UnimplementedUsageServiceServer

	spent atomic.Int64
	slow  atomic.Bool
}

func (l *ledger) GetSpent(ctx context.Context, r *usagev1.GetSpentRequest) (*usagev1.GetSpentResponse, error) {
	if l.slow.Load() {
		pause(ctx, 100*time.Millisecond)
		return nil, status.Error(codes.Unavailable, "busy")
	}
	return &usagev1.GetSpentResponse{CostPicoUsd: slices.Repeat([]int64{l.spent.Load()}, len(r.GetAccounts()))}, nil
}

func conn(l usagev1.UsageServiceServer) grpc.ClientConnInterface {
	secret := auth.Secret(strings.Repeat("s", 32))
	server := rpc.NewServer(rpc.Options{Name: "usage", Peers: auth.NewPeerVerifier(secret), Verifier: auth.NewAdminKey("x")})
	usagev1.RegisterUsageServiceServer(server, l)
	return peer.InProcess(server.InProcess(), peer.Options{Credentials: auth.PeerCredentials("ratelimit", secret), Timeout: 100 * time.Millisecond})
}

// withLedger runs a service that has one, and which started long ago, where its accounts are in memory.
func withLedger(t *testing.T, cfg ratelimit.Config, l usagev1.UsageServiceServer) ratelimitv1.RateLimitServiceClient {
	t.Helper()
	var ahead atomic.Int64
	client, _ := startWith(t, cfg, ratelimit.Deps{
		Usage: conn(l), Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	ahead.Store(int64(time.Minute))
	return client
}

func costing(id string, dollars float64, limits *ratelimitv1.Limits) *ratelimitv1.ReserveRequest {
	cost, _ := money.FromUSD(dollars)
	return &ratelimitv1.ReserveRequest{ReservationId: id, Holder: "r", Tenant: "acme", Scopes: scope(limits), CostPicoUsd: cost}
}

func ask(t *testing.T, c ratelimitv1.RateLimitServiceClient, r *ratelimitv1.ReserveRequest) *ratelimitv1.ReserveResponse {
	t.Helper()
	a, err := c.Reserve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestBudget(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	l.spent.Store(3 * money.Dollar)
	client := withLedger(t, ratelimit.Config{}, l)
	month := &ratelimitv1.Limits{BudgetUsd: 10}
	a := ask(t, client, costing("1", 6.5, month))
	if a.GetRefusal() != nil || a.GetBalances()[0].GetRemaining() != money.Dollar/2 || a.GetBalances()[0].GetResetAfter().AsDuration() <= 0 {
		t.Fatal(a)
	}
	a = ask(t, client, costing("2", 0.500001, month))
	if r := a.GetRefusal(); r.GetBalance().GetDimension() != ratelimitv1.Dimension_DIMENSION_BUDGET || r.GetNever() ||
		r.GetRetryAfter().AsDuration() <= 0 || r.GetBalance().GetLimit() != 10*money.Dollar || r.GetUnseeded() {
		t.Fatal(a)
	}
	_, err := client.Settle(t.Context(), &ratelimitv1.SettleRequest{
		ReservationId: "1", Holder: "other", Tenant: "acme", Scopes: scope(month), CostPicoUsd: money.Dollar,
	})
	if err != nil {
		t.Fatal(err)
	}
	if a = ask(t, client, costing("2", 6, month)); a.GetRefusal() != nil {
		t.Fatal(a)
	}
	if a = ask(t, client, costing("3", 10.000001, month)); !a.GetRefusal().GetNever() {
		t.Fatal(a)
	}
	total := &ratelimitv1.Limits{BudgetUsd: 10, BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL}
	a = ask(t, client, costing("4", 8, total))
	if r := a.GetRefusal(); !r.GetNever() || r.GetRetryAfter() != nil || r.GetBalance().GetResetAfter() != nil || r.GetBalance().GetRemaining() != 7*money.Dollar {
		t.Fatal(a)
	}
}

// Where the ledger doesn't answer a budget is closed, and other limits aren't.
func TestBudgetIsClosedUntilTheLedgerAnswers(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	l.slow.Store(true)
	client := withLedger(t, ratelimit.Config{}, l)
	limits := &ratelimitv1.Limits{BudgetUsd: 10, RequestsPerMinute: 100}
	began := time.Now()
	a := ask(t, client, costing("1", 1, limits))
	if r := a.GetRefusal(); !r.GetUnseeded() || r.GetRetryAfter().AsDuration() != time.Second || r.GetNever() || a.GetDegraded() {
		t.Fatal(a)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if a := ask(t, client, costing("free", 0, limits)); a.GetRefusal() != nil {
		t.Error("a call that costs nothing is refused", a)
	}
	l.slow.Store(false)
	n := 0
	redisserver.Eventually(t, 5*time.Second, func() bool {
		n++
		return ask(t, client, costing("x"+strconv.Itoa(n), 1, limits)).GetRefusal() == nil
	})
}

// Without a usage service budgets begin at zero, and the log says so.
func TestBudgetWithoutALedger(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	client, _ := startWith(t, ratelimit.Config{}, ratelimit.Deps{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "budgets begin at zero") {
		t.Errorf("the log: %s", log.String())
	}
	limits := &ratelimitv1.Limits{BudgetUsd: 10, BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY}
	if a := ask(t, client, costing("1", 10, limits)); a.GetRefusal() != nil {
		t.Error(a)
	}
}

func TestQuotaOfBudgets(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	l.spent.Store(money.Dollar)
	client := withLedger(t, ratelimit.Config{Tenants: map[string]ratelimit.Limits{"acme": {BudgetUSD: 2.5, BudgetPeriod: "day", TokensPerMinute: 7}}}, l)
	a, err := client.GetQuota(auth.WithKey(t.Context(), "client"), &ratelimitv1.GetQuotaRequest{})
	if err != nil || len(a.GetBalances()) != 3 {
		t.Fatal(a, err)
	}
	b := a.GetBalances()[2]
	if b.GetDimension() != ratelimitv1.Dimension_DIMENSION_BUDGET || b.GetLimit() != 5*money.Dollar/2 || b.GetRemaining() != 3*money.Dollar/2 {
		t.Error(b)
	}
}

func TestValidateMoney(t *testing.T) {
	t.Parallel()
	client, _ := start(t, ratelimit.Config{}, nil)
	for _, c := range []struct {
		field  string
		change func(r *ratelimitv1.ReserveRequest)
	}{
		{"scopes[0].limits.budget_usd", func(r *ratelimitv1.ReserveRequest) { r.Scopes[0].Limits.BudgetUsd = -1 }},
		{"scopes[0].limits.budget_usd", func(r *ratelimitv1.ReserveRequest) { r.Scopes[0].Limits.BudgetUsd = 1e-7 }},
		{"scopes[0].limits.budget_usd", func(r *ratelimitv1.ReserveRequest) { r.Scopes[0].Limits.BudgetUsd = 1e9 }},
		{"scopes[0].limits.budget_period", func(r *ratelimitv1.ReserveRequest) { r.Scopes[0].Limits.BudgetPeriod = 1 }},
		{"scopes[0].limits.budget_period", func(r *ratelimitv1.ReserveRequest) {
			r.Scopes[0].Limits.BudgetUsd, r.Scopes[0].Limits.BudgetPeriod = 1, 4
		}},
		{"cost_pico_usd", func(r *ratelimitv1.ReserveRequest) { r.CostPicoUsd = -1 }},
		{"cost_pico_usd", func(r *ratelimitv1.ReserveRequest) { r.CostPicoUsd = 1<<63 - 1 }},
		{"hold", func(r *ratelimitv1.ReserveRequest) { r.Hold = durationpb.New(25 * time.Hour) }},
		{"hold", func(r *ratelimitv1.ReserveRequest) { r.Hold, r.Deferred = durationpb.New(49*time.Hour), true }},
		{"", func(r *ratelimitv1.ReserveRequest) { r.Hold, r.Deferred = durationpb.New(48*time.Hour), true }},
	} {
		r := costing(c.field, 0, &ratelimitv1.Limits{TokensPerMinute: 5})
		r.ReservationId = "v"
		c.change(r)
		_, err := client.Reserve(t.Context(), r)
		if c.field == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if f := fault.From(err); status.Code(err) != codes.InvalidArgument || f.Metadata["field"] != c.field {
			t.Errorf("%v, want INVALID_ARGUMENT of %s", err, c.field)
		}
	}
}

func TestConfigOfBudgets(t *testing.T) {
	t.Parallel()
	var c ratelimit.Config
	err := conf.Parse("headgate.yaml", []byte(`
budget_grace: 1h
tenants:
  a: {budget_usd: 0.0000001}
  b: {budget_usd: 5, budget_period: week}
  c: {budget_period: day}
  d: {budget_usd: 5.5, budget_period: total}
`), &c, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{":2: budget_grace", ":4: tenants.a.budget_usd", ":5: tenants.b.budget_period", ":6: tenants.c.budget_period"} {
		if !strings.Contains(err.Error(), "headgate.yaml"+want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "tenants.d") {
		t.Error(err)
	}
	if m := (ratelimit.Limits{BudgetUSD: 1}).Proto(); m.GetBudgetPeriod() != ratelimitv1.BudgetPeriod_BUDGET_PERIOD_MONTH {
		t.Error(m)
	}
}

// L2: four instances on one Redis, 64 callers on one budget, and Redis loses everything in the middle of it: never more is
// spent than the budget, by the ledger's count.
func TestBudgetOverInstances(t *testing.T) {
	s := redisserver.New(t)
	l := &ledger{}
	clients := make([]ratelimitv1.RateLimitServiceClient, 4)
	for i := range clients {
		clients[i] = withLedger(t, ratelimit.Config{Backend: "redis", RedisURL: conf.Secret(s.URL()), Timeout: 250 * time.Millisecond, BudgetGrace: 1}, l)
	}
	limits := &ratelimitv1.Limits{BudgetUsd: 20, BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() { spend(ctx, t, clients[i%4], l, strconv.Itoa(i), limits) })
	}
	redisserver.Eventually(t, 10*time.Second, func() bool { return l.spent.Load() >= 5*money.Dollar })
	before := l.spent.Load()
	s.Flush()
	all.Wait()
	t.Logf("%s of 20 dollars spent, %s of them before everything was lost", money.USD(l.spent.Load()), money.USD(before))
	// What was under way when everything was lost may be counted twice.
	if spent := l.spent.Load(); spent > 20*money.Dollar || spent < 15*money.Dollar {
		t.Errorf("%s spent", money.USD(spent))
	}
}

// L3: Redis dies. A budget goes on with this instance's part of what was left, then it is closed; once Redis is back, with
// nothing in it, the ledger opens it.
func TestBudgetOutage(t *testing.T) {
	s := redisserver.New(t)
	l := &ledger{}
	l.spent.Store(2 * money.Dollar)
	cfg := ratelimit.Config{Backend: "redis", RedisURL: conf.Secret(s.URL()), BudgetGrace: 1500 * time.Millisecond}
	clients := []ratelimitv1.RateLimitServiceClient{withLedger(t, cfg, l), withLedger(t, cfg, l)}
	limits := &ratelimitv1.Limits{BudgetUsd: 10, BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL}
	counted(t, clients)
	redisserver.Eventually(t, 5*time.Second, func() bool { return ask(t, clients[0], costing("first", 2, limits)).GetRefusal() == nil })
	s.Kill()
	admitted := 0
	n := 0
	redisserver.Eventually(t, 5*time.Second, func() bool {
		n++
		a := ask(t, clients[0], costing("alone"+strconv.Itoa(n), 1, limits))
		if a.GetRefusal() == nil {
			admitted++
		}
		return a.GetDegraded() && a.GetRefusal().GetUnseeded()
	})
	if admitted != 3 { // 6 dollars were left, for two instances
		t.Errorf("%d admitted", admitted)
	}
	s.Start()
	redisserver.Eventually(t, 10*time.Second, func() bool {
		n++
		a := ask(t, clients[0], costing("back"+strconv.Itoa(n), 1, limits))
		return a.GetRefusal() == nil && !a.GetDegraded()
	})
}

// spend makes calls of two cents, each of which costs one, until the budget is used up. The ledger has the cost of a call
// before it is settled, as routers do it.
func spend(ctx context.Context, t *testing.T, c ratelimitv1.RateLimitServiceClient, l *ledger, name string, limits *ratelimitv1.Limits) {
	t.Helper()
	idle := 0
	for n := 0; ctx.Err() == nil; n++ {
		r := costing(name+"-"+strconv.Itoa(n), 0.02, limits)
		a, err := c.Reserve(ctx, r)
		switch refusal := a.GetRefusal(); {
		case err != nil:
			if ctx.Err() == nil && status.Code(err) != codes.Unavailable {
				t.Error(err)
				return
			}
			continue
		case refusal.GetNever() && idle > 20:
			return
		case refusal != nil:
			if pause(ctx, 50*time.Millisecond); refusal.GetNever() {
				idle++ // what Redis admitted too late for anybody comes back in a while
			}
			continue
		}
		idle = 0
		l.spent.Add(money.Dollar / 100)
		settlement := &ratelimitv1.SettleRequest{
			ReservationId: r.GetReservationId(), Holder: "r", Tenant: "acme", Scopes: scope(limits), CostPicoUsd: money.Dollar / 100,
		}
		for _, err = c.Settle(ctx, settlement); err != nil && ctx.Err() == nil; _, err = c.Settle(ctx, settlement) {
			pause(ctx, 50*time.Millisecond)
		}
	}
}
