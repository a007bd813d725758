package guard

import (
	"context"
	"time"
)

// Run keeps the guard informed until ctx ends: it says that this instance lives, looks for a store that was lost, and
// clears memory of what has run out.
func (g *Guard) Run(ctx context.Context) {
	clear := time.NewTicker(sweep)
	defer clear.Stop()
	beat := time.NewTimer(0)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clear.C:
			g.Local.Sweep()
		case <-beat.C:
			beat.Reset(g.beat(ctx))
		}
	}
}

// beat tells the shared store who lives here, learns who lives elsewhere, and returns when to do so again.
func (g *Guard) beat(ctx context.Context) time.Duration {
	if g.Remote == nil {
		return heartbeat
	}
	if err := g.count(ctx); err != nil {
		return probe
	}
	if g.pulse.Back() {
		g.Logger.Info("the shared store of limits answers again")
	}
	return g.settleUndone(ctx)
}

// count refreshes the numbers of instances and of routers.
func (g *Guard) count(ctx context.Context) error {
	patience := undoTimeout
	if g.pulse.Gone() {
		patience = probeTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n, err := g.Remote.Alive(ctx, instances, []string{g.Name}, lifetime)
	if err != nil {
		return err
	}
	g.Local.Divide(n)
	routers, err := g.Remote.Alive(ctx, holders, g.speakers(), lifetime)
	if err != nil {
		return err
	}
	g.live.Store(routers)
	return nil
}

// speakers are the routers that spoke to this instance lately.
func (g *Guard) speakers() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	names := make([]string, 0, len(g.holders))
	for name, seen := range g.holders {
		if time.Since(seen) > lifetime {
			delete(g.holders, name)
			continue
		}
		names = append(names, name)
	}
	return names
}

// undoAtOnce bounds how long the heartbeat is kept waiting.
const undoAtOnce = 100

// settleUndone takes back what may stand in the shared store though its answer got lost.
func (g *Guard) settleUndone(ctx context.Context) time.Duration {
	for range undoAtOnce {
		select {
		case s := <-g.undo:
			bounded, cancel := context.WithTimeout(ctx, undoTimeout)
			err := g.Remote.Settle(bounded, s)
			cancel()
			if err != nil {
				select {
				case g.undo <- s:
				default:
				}
				return probe
			}
		default:
			return heartbeat
		}
	}
	return probe
}
