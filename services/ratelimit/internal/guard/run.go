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
	next := g.payOff(ctx) // before anybody asks there: what was spent alone counts
	if g.pulse.Back() {
		g.lost.Store(0)
		g.Logger.Info("the shared store of limits answers again")
	}
	return next
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
