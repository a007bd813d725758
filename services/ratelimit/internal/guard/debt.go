package guard

import (
	"context"
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// debt is what the shared store has to be told: a call that was admitted alone and pays with money, or a settlement.
type debt struct {
	call       *store.Call
	settlement store.Settlement
}

func (d debt) pay(ctx context.Context, s store.Store) error {
	if d.call != nil {
		_, err := s.Reserve(ctx, *d.call)
		return err
	}
	return s.Settle(ctx, d.settlement)
}

const (
	// maxDebts bounds what is remembered: a few seconds of calls whose answer got lost, and those that were paid for alone.
	maxDebts = 20_000
	// payTime bounds how long the heartbeat is kept waiting.
	payTime = 500 * time.Millisecond
)

// debts are those of an instance, in order: a call is told before its settlement. Safe for concurrent use.
type debts struct {
	mu   sync.Mutex
	list []debt
}

// add notes a debt. What finds no room is lost: it expires by itself, as spent, or the ledger tells of it.
func (d *debts) add(one debt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) < maxDebts {
		d.list = append(d.list, one)
	}
}

// first is the one that is paid next.
func (d *debts) first() (debt, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 {
		d.list = nil
		return debt{}, false
	}
	return d.list[0], true
}

// paid forgets the first.
func (d *debts) paid() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list[0] = debt{}
	d.list = d.list[1:]
}

// payOff tells the shared store what it has to be told, and returns when to go on. One goroutine calls it.
func (g *Guard) payOff(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, payTime)
	defer cancel()
	for {
		one, ok := g.owed.first()
		if !ok {
			return heartbeat
		}
		bounded, cancel := context.WithTimeout(ctx, undoTimeout)
		err := one.pay(bounded, g.Remote)
		cancel()
		if err != nil {
			return probe
		}
		g.owed.paid()
	}
}
