// Package guard keeps decisions coming when the shared store doesn't answer: it decides in this process then, with this
// instance's part of every limit, says so, and goes back as soon as the store answers again.
package guard

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-mesh/headgate/kit/pulse"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/memory"
)

// Options configure a Guard.
type Options struct {
	// Remote is the shared store; nil where this process's own is all there is.
	Remote store.Store
	// Local decides alone where there is no other, or it doesn't answer.
	Local *memory.Store
	// Timeout bounds an operation of the shared store as long as that answers others.
	Timeout time.Duration
	// Instances are assumed until the shared store has told how many there are.
	Instances int64
	// Grace is how long budgets are spent here alone: the part of them that was left when the shared store was last heard of.
	// Less than a millisecond is none.
	Grace time.Duration
	// Name is this instance's among the others.
	Name   string
	Logger *slog.Logger
}

const (
	// silence is how many ticks without any answer, and lateTicks how late every answer, leave decisions to this instance.
	// Promise L3 gives one 25 ms, all but those that find out.
	tick               = 4 * time.Millisecond
	silence, lateTicks = 15, 5
	// heartbeat is how often an instance says that it lives, and probe how often it looks whether the store is back.
	heartbeat, probe = 250 * time.Millisecond, 100 * time.Millisecond
	// probeTimeout is how soon a store has to answer to be asked again; undoTimeout bounds what nobody waits for.
	probeTimeout, undoTimeout = 20 * time.Millisecond, 200 * time.Millisecond
	// lifetime is how long an instance or a router counts as alive without saying so.
	lifetime = 5 * time.Second
	// sweep is how often memory is cleared of what has run out.
	sweep = 10 * time.Second
)

// The groups of Alive.
const (
	instances = "instances"
	holders   = "holders"
)

// ErrLate is the outcome of an operation that the shared store didn't answer in time, though it answers others.
var ErrLate = errors.New("the shared store answers late")

// ErrUnavailable is the outcome of what can only be done in the shared store.
var ErrUnavailable = errors.New("the shared store doesn't answer")

// Guard is a store that always answers. Safe for concurrent use.
type Guard struct {
	Options
	pulse *pulse.Pulse
	live  atomic.Int64 // routers, as last told
	lost  atomic.Int64 // when the shared store was, in nanoseconds since 1970; 0 while it isn't
	owed  debts

	mu      sync.Mutex
	holders map[string]time.Time // that speak to this instance
}

// New returns a Guard. Run it.
func New(o Options) *Guard {
	g := &Guard{Options: o, holders: make(map[string]time.Time)}
	g.pulse = pulse.New(pulse.Options{Tick: tick, Silence: silence, Late: lateTicks, Lost: func(cause string) {
		g.lost.Store(time.Now().UnixNano())
		g.Logger.Warn("the shared store of limits doesn't answer: deciding alone", "cause", cause)
	}})
	g.live.Store(1)
	if o.Remote != nil {
		o.Local.Divide(o.Instances)
	}
	return g
}

// Degraded reports whether decisions are made alone.
func (g *Guard) Degraded() bool { return g.pulse.Gone() }

// Reserve decides about a call; alone tells that it was decided here alone. The errors are ErrLate, where the store
// answers others but not this call, and that of a context that ended.
func (g *Guard) Reserve(ctx context.Context, c store.Call) (a store.Answer, alone bool, err error) {
	if g.Remote == nil {
		a, err = g.Local.Reserve(ctx, c)
		return a, false, err
	}
	tried := attempt(c)
	a, err = ask(ctx, g,
		func(ctx context.Context) (store.Answer, error) { return g.Remote.Reserve(ctx, tried) },
		func() { g.takeBack(tried) })
	if !errors.Is(err, errAlone) {
		if err == nil && c.HasBudget() && !g.pulse.Gone() {
			g.Local.See(c.Tenant, c.Scopes, a.Balances)
		}
		return a, false, err
	}
	if c.HasBudget() {
		if a, err = g.insist(ctx, c); err == nil {
			return a, false, nil
		}
	}
	a, err = g.reserveAlone(ctx, c)
	return a, true, err
}

// Settle ends a reservation where it was made. ErrUnavailable asks for a repetition.
func (g *Guard) Settle(ctx context.Context, s store.Settlement) error {
	if g.Remote == nil {
		return g.Local.Settle(ctx, s)
	}
	if g.Local.Has(s.Tenant, s.ID) {
		return g.settleAlone(ctx, s)
	}
	_, err := ask(ctx, g, func(ctx context.Context) (struct{}, error) { return struct{}{}, g.Remote.Settle(ctx, s) }, nil)
	if err != nil {
		return errors.Join(ErrUnavailable, err)
	}
	g.Local.Note(s.Tenant, s.Scopes, s.Requests(), s.Tokens)
	return nil
}

// Lease renews a holder's stock. Alone nothing is granted, and the places in use are noted.
func (g *Guard) Lease(ctx context.Context, r store.Renewal) (grants []store.Grant, alone bool, err error) {
	if g.Remote == nil {
		grants, err = g.Local.Lease(ctx, r)
		return grants, false, err
	}
	grants, err = ask(ctx, g, func(ctx context.Context) ([]store.Grant, error) { return g.Remote.Lease(ctx, r) }, nil)
	if !errors.Is(err, errAlone) {
		g.noteGrants(r, grants)
		return grants, false, err
	}
	grants, err = g.Local.Lease(ctx, r.Bare())
	return grants, true, err
}

// noteGrants charges what routers took in advance to this instance's part, but for what they gave back with the same
// message.
func (g *Guard) noteGrants(r store.Renewal, grants []store.Grant) {
	for i, grant := range grants {
		s := r.Stocks[i]
		g.Local.Note(r.Tenant, []store.Scope{s.Scope}, grant.Requests-s.Requests, grant.Tokens-s.Tokens)
	}
}

// Balances tells how limits stand.
func (g *Guard) Balances(ctx context.Context, tenant string, scopes []store.Scope) (b []store.Balance, alone bool, err error) {
	b, err = ask(ctx, g, func(ctx context.Context) ([]store.Balance, error) { return g.Remote.Balances(ctx, tenant, scopes) }, nil)
	if !errors.Is(err, errAlone) {
		return b, false, err
	}
	b, err = g.Local.Balances(ctx, tenant, scopes)
	return b, g.Remote != nil, err
}

// Seed opens a budget in the shared store. ErrUnavailable where that isn't there: nothing is known of its budgets here.
func (g *Guard) Seed(ctx context.Context, s store.Seed) error {
	if g.Remote == nil {
		return g.Local.Seed(ctx, s)
	}
	if g.pulse.Gone() {
		return ErrUnavailable
	}
	return g.Remote.Seed(ctx, s)
}

// Heard notes that a router lives and returns how many do.
func (g *Guard) Heard(ctx context.Context, holder string) int64 {
	if g.Remote == nil {
		n, _ := g.Local.Alive(ctx, holders, []string{holder}, lifetime)
		return n
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holders[holder] = time.Now()
	return max(g.live.Load(), int64(len(g.holders)))
}

// attempt is the call with a name for this attempt to reserve it: what is asked in vain is taken back, but a repetition that
// was answered, here or by another instance, keeps what it has.
func attempt(c store.Call) store.Call {
	c.Attempt = rand.Text()
	return c
}

// takeBack notes that an attempt may stand in the shared store though nobody was told.
func (g *Guard) takeBack(c store.Call) {
	g.owed.add(debt{settlement: store.Settlement{
		ID: c.ID, Attempt: c.Attempt, Holder: c.Holder, Tenant: c.Tenant, Scopes: c.Scopes, Unused: true,
	}})
}
