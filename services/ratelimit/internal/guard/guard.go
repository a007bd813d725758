// Package guard keeps decisions coming when the shared store doesn't answer: it decides in this process then, with this
// instance's part of every limit, says so, and goes back as soon as the store answers again.
package guard

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/memory"
)

// Options configure a Guard.
type Options struct {
	// Remote is the shared store; nil where this process's own is all there is.
	Remote store.Store
	// Local decides alone where there is no other, or it doesn't answer.
	Local *memory.Store
	// Timeout bounds an operation of the shared store.
	Timeout time.Duration
	// Instances are assumed until the shared store has told how many there are.
	Instances int64
	// Name is this instance's among the others.
	Name   string
	Logger *slog.Logger
}

const (
	// failuresToOpen in a row send decisions to the local store.
	failuresToOpen = 3
	// heartbeat is how often an instance says that it lives, and probe how often it looks whether the store is back.
	heartbeat, probe = time.Second, 100 * time.Millisecond
	// probeTimeout is longer than an operation may take: it's nobody's decision that waits.
	probeTimeout = 50 * time.Millisecond
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

// ErrUnavailable is the outcome of what can only be done in the shared store.
var ErrUnavailable = errors.New("the shared store doesn't answer")

// Guard is a store that always answers. Safe for concurrent use.
type Guard struct {
	Options
	open     atomic.Bool
	failures atomic.Int64
	live     atomic.Int64 // routers, as last told
	undo     chan store.Settlement

	mu      sync.Mutex
	holders map[string]time.Time // that speak to this instance
}

// maxUndo bounds what is remembered to be taken back: a few seconds of calls whose answer got lost.
const maxUndo = 10_000

// New returns a Guard. Run it.
func New(o Options) *Guard {
	g := &Guard{Options: o, undo: make(chan store.Settlement, maxUndo), holders: make(map[string]time.Time)}
	g.live.Store(1)
	if o.Remote != nil {
		o.Local.Divide(o.Instances)
	}
	return g
}

// Degraded reports whether decisions are made alone.
func (g *Guard) Degraded() bool { return g.open.Load() }

// Reserve decides about a call; alone tells that it was decided here alone. The one error is that of a context that ended.
func (g *Guard) Reserve(ctx context.Context, c store.Call) (a store.Answer, alone bool, err error) {
	err = g.ask(ctx, func(ctx context.Context) error {
		a, err = g.Remote.Reserve(ctx, c)
		return err
	})
	if err == nil {
		return a, false, nil
	}
	if !errors.Is(err, errNotAsked) {
		g.takeBack(c) // it may have happened
	}
	if ctx.Err() != nil { // nobody waits for another decision
		return a, false, ctx.Err()
	}
	a, err = g.Local.Reserve(ctx, c)
	return a, g.Remote != nil, err
}

// Settle ends a reservation where it was made. ErrUnavailable asks for a repetition.
func (g *Guard) Settle(ctx context.Context, s store.Settlement) error {
	if g.Remote == nil || g.Local.Has(s.Tenant, s.ID) {
		return g.Local.Settle(ctx, s)
	}
	if err := g.ask(ctx, func(ctx context.Context) error { return g.Remote.Settle(ctx, s) }); err != nil {
		return errors.Join(ErrUnavailable, err)
	}
	g.Local.Note(s)
	return nil
}

// Lease renews a holder's stock. Alone nothing is granted, and the places in use are noted.
func (g *Guard) Lease(ctx context.Context, r store.Renewal) (grants []store.Grant, alone bool, err error) {
	if g.Remote == nil {
		grants, err = g.Local.Lease(ctx, r)
		return grants, false, err
	}
	err = g.ask(ctx, func(ctx context.Context) error {
		grants, err = g.Remote.Lease(ctx, r)
		return err
	})
	if err == nil {
		return grants, false, nil
	}
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	grants, err = g.Local.Lease(ctx, r.Bare())
	return grants, true, err
}

// Balances tells how limits stand.
func (g *Guard) Balances(ctx context.Context, tenant string, scopes []store.Scope) (b []store.Balance, alone bool, err error) {
	err = g.ask(ctx, func(ctx context.Context) error {
		b, err = g.Remote.Balances(ctx, tenant, scopes)
		return err
	})
	if err == nil {
		return b, false, nil
	}
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	b, err = g.Local.Balances(ctx, tenant, scopes)
	return b, g.Remote != nil, err
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

// errNotAsked says that the shared store wasn't asked at all.
var errNotAsked = errors.New("not asked")

// ask runs an operation of the shared store within its time and learns from its outcome.
func (g *Guard) ask(ctx context.Context, do func(context.Context) error) error {
	if g.Remote == nil || g.open.Load() {
		return errNotAsked
	}
	bounded, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	err := do(bounded)
	switch {
	case err == nil:
		g.failures.Store(0)
	case ctx.Err() == nil:
		g.failed(err)
	}
	return err
}

func (g *Guard) failed(err error) {
	if g.failures.Add(1) == failuresToOpen {
		g.open.Store(true)
		g.Logger.Warn("the shared store of limits doesn't answer: deciding alone", "cause", err.Error())
		return
	}
	g.Logger.Debug("the shared store of limits didn't answer", "cause", err.Error())
}

// takeBack notes that a reservation may stand in the shared store though nobody uses it.
func (g *Guard) takeBack(c store.Call) {
	if g.Remote == nil {
		return
	}
	select {
	case g.undo <- store.Settlement{ID: c.ID, Holder: c.Holder, Tenant: c.Tenant, Scopes: c.Scopes, Unused: true}:
	default: // it expires by itself, as spent
	}
}
