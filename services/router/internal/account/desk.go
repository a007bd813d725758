// Package account keeps the books of calls: it reserves what a call may use before it is made, writes down each attempt
// before its last frame leaves, and settles with what was really used.
package account

import (
	"context"
	"log/slog"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// Ledger is where attempts are written down. Safe for concurrent use.
type Ledger interface {
	// Room returns USAGE_LOG_FULL where nothing more can be written down: no call may begin then.
	Room() error
	// Record returns once the event survives the death of this process.
	Record(e *usagev1.Event) error
	// CaughtUp reports whether the usage service has all that was written down before this process began.
	CaughtUp() bool
}

// Quota is what holds keys and tenants to their limits. Safe for concurrent use.
type Quota interface {
	// Reserve takes the most that a call may use, or returns RATE_LIMITED, BUDGET_EXHAUSTED, LARGER_THAN_LIMIT or why nobody
	// could tell. Nil is a reservation of nothing.
	Reserve(ctx context.Context, a quota.Account, requestID string, most quota.Amount) (*quota.Reservation, error)
	// Defer reserves what somebody uses later, and SettleDeferred ends that, here or elsewhere, once.
	Defer(ctx context.Context, a quota.Account, requestID string, most quota.Amount, hold time.Duration) (*ratelimitv1.ReserveRequest, error)
	SettleDeferred(r *ratelimitv1.ReserveRequest, used quota.Amount, unused bool)
}

// Prices tells what tokens cost. Safe for concurrent use.
type Prices interface {
	// Cost returns the cost in 10^-12 US dollars and the version of the table; false where the price isn't known. The
	// model is the provider's own name for what answered, or else the one that was asked for.
	Cost(kind, model string, u *llmv1.TokenUsage) (picoUSD int64, version string, known bool)
	// CostIn is Cost in a tier of service, whatever the count says of it.
	CostIn(kind, model string, tier price.Tier, u *llmv1.TokenUsage) (picoUSD int64, version string, known bool)
}

// Desk opens calls. Safe for concurrent use. Without a Ledger nothing is written down, without a Quota nothing is limited,
// without Prices nothing has a price.
type Desk struct {
	Ledger Ledger
	Quota  Quota
	Prices Prices
	// Limits are a tenant's own; nil where it has none.
	Limits   func(tenant string) *ratelimitv1.Limits
	Observer *observe.Observer
	Logger   *slog.Logger
}

// Ask is what is known of a call before it is made.
type Ask struct {
	// Operation is one of observe's.
	Operation string
	// Dialect is the client's; unspecified for the typed API.
	Dialect llmv1.Dialect
	// Model is the name the client used.
	Model string
	// Stream says that the client wants a stream.
	Stream bool
	// Input is the estimate of the prompt's tokens, Output the declared bound of the answer's; 0 where there is none.
	Input, Output int64
	// Wishes are the caller's.
	Wishes steer.Wishes
	// Targets are those that the plan allows.
	Targets []catalog.Target
}

// usualOutput is reserved for an answer without a declared bound, in tokens.
const usualOutput = 1024

// Open begins a call: it fails with USAGE_LOG_FULL, PRICE_UNKNOWN, RATE_LIMITED, BUDGET_EXHAUSTED or LARGER_THAN_LIMIT. The
// caller closes it, and asks its Targets and no others.
func (d *Desk) Open(ctx context.Context, ask Ask) (*Call, error) {
	c := &Call{desk: d, ask: ask, targets: ask.Targets, requestID: meta.RequestID(ctx)}
	c.principal, _ = auth.FromContext(ctx)
	if d.Ledger != nil {
		if err := d.Ledger.Room(); err != nil {
			return nil, err
		}
		c.nonce = nonce()
	}
	if d.Quota == nil {
		return c, nil
	}
	a, most := d.accountOf(c.principal), quota.Amount{Tokens: ask.tokens()}
	c.metered, c.reserved = a.Metered(), most.Tokens
	var err error
	if a.Budgeted() {
		if err := d.caughtUp(); err != nil {
			return nil, err
		}
		if c.money, c.targets, err = d.price(ask); err != nil {
			return nil, err
		}
		most.PicoUSD = c.money.reserved
	}
	c.reservation, err = d.Quota.Reserve(ctx, a, c.requestID, most)
	return c, err
}

// caughtUp keeps budgets closed until the ledger, by which they are opened, knows what this router's predecessor spent.
func (d *Desk) caughtUp() error {
	if d.Ledger == nil || d.Ledger.CaughtUp() {
		return nil
	}
	return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
		"budgets can't be checked until what was spent before the start is in the ledger: repeat the request").After(time.Second)
}

func (d *Desk) accountOf(p auth.Principal) quota.Account {
	return quota.Account{Tenant: p.Account(), KeyID: p.KeyID, Key: p.Limits, TenantLimits: d.limits(p.Account())}
}

func (d *Desk) limits(tenant string) *ratelimitv1.Limits {
	if d.Limits == nil {
		return nil
	}
	return d.Limits(tenant)
}

// tokens is the most that the call can use.
func (a Ask) tokens() int64 {
	input, output := a.most()
	return input + output
}

// most is the most that the call can use: a count of tokens uses none, vectors have no output.
func (a Ask) most() (input, output int64) {
	switch {
	case a.Operation == observe.CountTokens:
		return 0, 0
	case a.Operation == observe.Embeddings:
		return a.Input, 0
	case a.Output == 0:
		return a.Input, usualOutput
	}
	return a.Input, a.Output
}

// Call is one call over all of its attempts. It belongs to one goroutine.
type Call struct {
	desk        *Desk
	ask         Ask
	principal   auth.Principal
	requestID   string
	nonce       string
	reservation *quota.Reservation
	attempts    int32
	// tokens are those that the attempts used that are over.
	tokens int64
	// metered says that the account has a limit on tokens; reserved are those that the call may use, more where a stream
	// went on.
	metered  bool
	reserved int64
	cached   bool
	targets  []catalog.Target
	// money is set where the account has a budget.
	money *money
}

// Targets are those of the plan that the account can pay: all of them, unless it has a budget.
func (c *Call) Targets() []catalog.Target { return c.targets }

// Reservation is what the call holds; nil where nothing is limited.
func (c *Call) Reservation() *quota.Reservation { return c.reservation }

// Close settles the call with what its attempts used. What never reached a provider costs nothing.
func (c *Call) Close() {
	used := quota.Amount{Tokens: c.tokens}
	if c.money != nil {
		used.PicoUSD = c.money.spent
	}
	c.reservation.Settle(used, c.attempts == 0 && !c.cached)
}

// Account is the tenant that is charged.
func (c *Call) Account() string { return c.principal.Account() }

// Cached writes down that the answer came from the cache: no provider was asked, and nothing is owed.
func (c *Call) Cached(provider, model string, began time.Time) {
	c.cached = true
	e := c.event(0)
	e.Provider, e.UpstreamModel = provider, model
	e.Outcome = usagev1.Outcome_OUTCOME_CACHED
	c.time(e, began)
	c.write(e)
}
