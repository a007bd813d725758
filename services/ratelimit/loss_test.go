package ratelimit_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/services/ratelimit"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/redisserver"
)

// behind is a usage service whose rows arrive a second after they were written down.
type behind struct {
	usagev1.UnimplementedUsageServiceServer

	spent, arrived, open, most atomic.Int64
}

func (b *behind) GetSpent(_ context.Context, r *usagev1.GetSpentRequest) (*usagev1.GetSpentResponse, error) {
	return &usagev1.GetSpentResponse{CostPicoUsd: slices.Repeat([]int64{b.arrived.Load()}, len(r.GetAccounts()))}, nil
}

func (b *behind) write(cost int64) {
	b.spent.Add(cost)
	time.AfterFunc(time.Second, func() { b.arrived.Add(cost) })
}

// cent is what a call reserves and costs.
const cent = money.Dollar / 100

// call makes one that takes a few milliseconds, and reports whether it was admitted and how long to wait otherwise.
func (b *behind) call(ctx context.Context, t *testing.T, c ratelimitv1.RateLimitServiceClient, id string, limits *ratelimitv1.Limits) (bool, time.Duration) {
	t.Helper()
	a, err := c.Reserve(ctx, costing(id, 0.01, limits))
	if err != nil {
		return false, 10 * time.Millisecond
	}
	if r := a.GetRefusal(); r != nil {
		return false, r.GetRetryAfter().AsDuration()
	}
	b.most.Store(max(b.most.Load(), b.open.Add(1)))
	defer b.open.Add(-1)
	pause(ctx, 5*time.Millisecond)
	b.write(cent)
	for ctx.Err() == nil {
		_, err := c.Settle(ctx, &ratelimitv1.SettleRequest{
			ReservationId: id, Holder: "r", Tenant: "acme", Scopes: scope(limits), CostPicoUsd: cent,
		})
		if err == nil {
			break
		}
		pause(ctx, 50*time.Millisecond)
	}
	return true, 0
}

var forever = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL

// crowd has callers spend until ctx ends.
func (b *behind) crowd(ctx context.Context, t *testing.T, n int, name string, pick func() ratelimitv1.RateLimitServiceClient, limits *ratelimitv1.Limits) *sync.WaitGroup {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if ok, wait := b.call(ctx, t, pick(), name+strconv.Itoa(i)+"-"+strconv.Itoa(n), limits); !ok {
					pause(ctx, max(min(wait, 100*time.Millisecond), 20*time.Millisecond))
				}
			}
		})
	}
	return &all
}

// Redis loses everything under load, twice, while rows take a second to the ledger: no more than what was under way at the
// time is spent beyond the budget.
func TestBudgetAfterFlushes(t *testing.T) {
	if testing.Short() {
		t.Skip("spends for twelve seconds")
	}
	s := redisserver.New(t)
	l := &behind{}
	var clients []ratelimitv1.RateLimitServiceClient
	for range 2 {
		clients = append(clients, withLedger(t, ratelimit.Config{
			Backend: "redis", RedisURL: conf.Secret(s.URL()), Timeout: 250 * time.Millisecond, BudgetGrace: 1,
		}, l))
	}
	var turn atomic.Int64
	limits := &ratelimitv1.Limits{BudgetUsd: 30, BudgetPeriod: forever}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	all := l.crowd(ctx, t, 16, "f", func() ratelimitv1.RateLimitServiceClient { return clients[turn.Add(1)%2] }, limits)
	for _, until := range []int64{8, 16} {
		redisserver.Eventually(t, 10*time.Second, func() bool { return l.spent.Load() >= until*money.Dollar })
		s.Flush()
	}
	all.Wait()
	over := l.spent.Load() - 30*money.Dollar
	t.Logf("%s of 30 dollars spent; at most %d calls at once", money.USD(l.spent.Load()), l.most.Load())
	if over > 2*16*cent || over < -5*money.Dollar {
		t.Errorf("%s spent", money.USD(l.spent.Load()))
	}
}

// A process with its accounts in memory is replaced, twice, while rows take a second to the ledger.
func TestBudgetAfterRestarts(t *testing.T) {
	if testing.Short() {
		t.Skip("spends for twelve seconds")
	}
	t.Parallel()
	l := &behind{}
	limits := &ratelimitv1.Limits{BudgetUsd: 30, BudgetPeriod: forever}
	var client atomic.Pointer[ratelimitv1.RateLimitServiceClient]
	begin := func() {
		c, _ := startWith(t, ratelimit.Config{}, ratelimit.Deps{Usage: conn(l)})
		client.Store(&c)
	}
	begin()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	all := l.crowd(ctx, t, 16, "m", func() ratelimitv1.RateLimitServiceClient { return *client.Load() }, limits)
	for _, until := range []int64{8, 16} {
		redisserver.Eventually(t, 10*time.Second, func() bool { return l.spent.Load() >= until*money.Dollar })
		begin()
	}
	all.Wait()
	over := l.spent.Load() - 30*money.Dollar
	t.Logf("%s of 30 dollars spent; at most %d calls at once", money.USD(l.spent.Load()), l.most.Load())
	if over > 2*16*cent || over < -5*money.Dollar {
		t.Errorf("%s spent", money.USD(l.spent.Load()))
	}
}

// Right after a start a budget is closed, and the caller is told for how long; a key that comes later isn't kept waiting.
func TestBudgetAfterTheStart(t *testing.T) {
	t.Parallel()
	client, _ := startWith(t, ratelimit.Config{}, ratelimit.Deps{Usage: conn(&ledger{})})
	limits := &ratelimitv1.Limits{BudgetUsd: 10, BudgetPeriod: forever}
	r := ask(t, client, costing("1", 1, limits)).GetRefusal()
	if wait := r.GetRetryAfter().AsDuration(); !r.GetUnseeded() || wait < time.Second || wait > 2*time.Second {
		t.Fatal(r)
	}
	pause(t.Context(), r.GetRetryAfter().AsDuration())
	if r := ask(t, client, costing("1", 1, limits)).GetRefusal(); r != nil {
		t.Error(r)
	}
	later := costing("2", 1, limits)
	later.Scopes[0].Id = "k2"
	if r := ask(t, client, later).GetRefusal(); r != nil {
		t.Error(r)
	}
}
