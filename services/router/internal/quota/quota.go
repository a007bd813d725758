// Package quota is what the router holds of the limits of keys and tenants, so that most calls need not ask for them: it
// takes a stock in advance where plenty is left, asks for each call where little is, and decides by its own part of the
// limits where nobody answers. Of money there is no stock: who has a budget is asked for each time.
package quota

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/pulse"
)

// Account is whose limits hold for a call.
type Account struct {
	// Tenant and KeyID name them.
	Tenant, KeyID string
	// Key and TenantLimits are the limits in force; nil means none.
	Key, TenantLimits *ratelimitv1.Limits
}

// Budgeted reports whether it has a budget in money: what a call may cost has to be known then.
func (a Account) Budgeted() bool {
	return a.Key.GetBudgetUsd() != 0 || a.TenantLimits.GetBudgetUsd() != 0
}

// Metered reports whether it has a limit on tokens: what a stream may use is reserved as it goes on then.
func (a Account) Metered() bool {
	return a.Key.GetTokensPerMinute() != 0 || a.TenantLimits.GetTokensPerMinute() != 0
}

// Amount is what a call uses, or can use at most.
type Amount struct {
	// Tokens are input and output together.
	Tokens int64
	// PicoUSD is what they cost, in 10^-12 US dollars. It counts where the account has a budget.
	PicoUSD int64
}

// Options configure a Keeper. Zero values have defaults.
type Options struct {
	// Holder names this router. A random part is added: a router that starts again is another holder.
	Holder string
	// Clock tells the time. Default time.Now.
	Clock func() time.Time
	// Logger takes what an operator should know. Default: discards.
	Logger *slog.Logger
	// Timeout bounds how long a decision waits for the service as long as that answers others; past it the call is refused.
	// Default 500 ms. Where nobody is answered for 120 ms, this router decides.
	Timeout time.Duration
}

// Keeper holds keys and tenants to their limits. Run it. Safe for concurrent use.
type Keeper struct {
	client  ratelimitv1.RateLimitServiceClient
	holder  string
	clock   func() time.Time
	log     *slog.Logger
	timeout time.Duration

	stocks shelves
	ids    atomic.Uint64
	live   atomic.Int64 // routers, this one included
	met    atomic.Bool  // the service has told how many live
	began  time.Time
	health health
	// settles are told at once, gathered together with others.
	settles, gathered chan *ratelimitv1.SettleRequest
	// debts were spent while nobody answered, and are told once somebody does.
	debts  chan *ratelimitv1.SettleRequest
	hungry chan struct{}

	mu     sync.Mutex
	active []*stock // that are renewed
}

// settleIn is how long a router waits for its first answer before it takes itself for the only one.
const settleIn = 5 * time.Second

var errNotMet = errors.New("the service of limits hasn't answered yet")

// maxSettles bounds the settlements under way: a minute of them at 1000 per second.
const maxSettles = 1 << 16

// New returns a Keeper that asks client.
func New(client ratelimitv1.RateLimitServiceClient, o Options) *Keeper {
	k := &Keeper{
		client: client, holder: o.Holder + "-" + rand.Text(), clock: o.Clock, log: o.Logger, timeout: o.Timeout,
		settles: make(chan *ratelimitv1.SettleRequest, maxSettles), gathered: make(chan *ratelimitv1.SettleRequest, maxSettles),
		debts: make(chan *ratelimitv1.SettleRequest, maxSettles), hungry: make(chan struct{}, 1),
	}
	if k.clock == nil {
		k.clock = time.Now
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.timeout <= 0 {
		k.timeout = defaultTimeout
	}
	k.health.Pulse = pulse.New(pulse.Options{Silence: silence, LongSilence: longSilence, Lost: k.lost})
	k.stocks.init()
	k.live.Store(1)
	k.began = k.clock()
	return k
}

// lost notes that the service doesn't answer: renewal tries whether it is back.
func (k *Keeper) lost(cause string) {
	k.log.Warn("the service of limits doesn't answer: deciding alone", "cause", cause)
	k.wake()
}

// Degraded reports whether limits are held without the shared accounts: by this router alone, or by the service alone.
func (k *Keeper) Degraded() bool { return k.health.degraded() }

// Reserve takes the most that a call may use. It returns RATE_LIMITED, BUDGET_EXHAUSTED or LARGER_THAN_LIMIT where a
// limit is in the way, OVERLOADED where nobody could tell in time, SERVICE_UNAVAILABLE where a budget can't be checked, and
// the error of ctx where that ends first. It waits at most Timeout. Where nothing is limited it returns nil, a reservation
// of nothing. The caller settles the reservation. Who has a budget is never paid from stock.
func (k *Keeper) Reserve(ctx context.Context, a Account, requestID string, most Amount) (*Reservation, error) {
	if unlimited(a.Key) && unlimited(a.TenantLimits) {
		return nil, nil
	}
	c := a.claim(most)
	if err := c.tooLarge(); err != nil {
		return nil, err
	}
	r, err := k.reserve(ctx, &c, requestID)
	if r != nil {
		r.requestID = requestID
	}
	return r, err
}

func (k *Keeper) reserve(ctx context.Context, c *claim, requestID string) (*Reservation, error) {
	if c.money != nil {
		return k.reserveMoney(ctx, c, requestID)
	}
	if r := k.fromStock(c); r != nil {
		return r, nil
	}
	return k.decide(ctx, c, requestID)
}

// decide has the service decide, or decides alone where nobody answers.
func (k *Keeper) decide(ctx context.Context, c *claim, requestID string) (*Reservation, error) {
	if !k.health.Gone() {
		if r, err := k.ask(ctx, c, requestID); r != nil || err != nil {
			return r, err
		}
	}
	if !k.settledIn() {
		return nil, tooLate(errNotMet)
	}
	return k.alone(c)
}

// Ready is nil once this router knows how many share the limits, or has waited long enough for somebody to tell.
func (k *Keeper) Ready() error {
	if !k.settledIn() {
		return errNotMet
	}
	return nil
}

// settledIn reports whether this router may decide alone: its part of the limits depends on how many routers there are,
// and right after the start it doesn't know.
func (k *Keeper) settledIn() bool {
	return k.met.Load() || k.clock().Sub(k.began) >= settleIn
}

// claim is what a call asks for, of the key and of the tenant.
type claim struct {
	names  [2]name
	limits [2]limits
	tokens int64
	// money is set where one of them has a budget.
	money *price
	// more says that the call is under way and asks again.
	more bool
}

// others is the claim on what a call can ask for again: tokens and money. It is one request already, and has its place.
func (c *claim) others() claim {
	o := claim{names: c.names, money: c.money, more: true}
	for i, l := range c.limits {
		o.limits[i].tokens = l.tokens
	}
	return o
}

func (a *Account) claim(most Amount) (c claim) {
	c.tokens = max(most.Tokens, 0)
	c.limits[0], c.limits[1] = limitsOf(a.Key), limitsOf(a.TenantLimits)
	if a.Budgeted() {
		c.money = a.price(most.PicoUSD)
	}
	c.names[0] = name{tenant: a.Tenant, id: a.KeyID, kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY}
	c.names[1] = name{tenant: a.Tenant, id: a.Tenant, kind: ratelimitv1.ScopeKind_SCOPE_KIND_TENANT}
	return c
}

// none reports that an account has no limit at all.
func (c *claim) none(i int) bool { return c.limits[i].none() && !c.budgeted(i) }
