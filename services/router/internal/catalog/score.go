package catalog

import (
	"math"
	"time"
)

// score gives each target its load, the less the better: how long it takes to show something, times what each of its
// replicas has to do.
func score(list []ranked, targets []Target, now time.Time) {
	usual := 0.0
	for i := range list {
		pace := targets[list[i].index].Standing.Pace(now).Seconds()
		if list[i].key = pace; pace > 0 && (usual == 0 || pace < usual) {
			usual = pace
		}
	}
	if usual == 0 {
		usual = 1
	}
	for i := range list {
		// One whose pace nobody knows counts as the best of the others: it is to be tried, not shunned.
		if list[i].key == 0 {
			list[i].key = usual
		}
		list[i].key *= targets[list[i].index].toDo()
	}
}

const (
	// cacheTight is the part of the KV cache from which on a server puts requests off to make room.
	cacheTight = 0.8
	// cacheFull is how much worse a full cache makes a server.
	cacheFull = 3
)

// toDo is the calls under way and this one, for each replica. What the server says of itself counts where that is more: it
// has other clients, too. Those in its queue count twice, since this one would wait behind them.
func (t *Target) toDo() float64 {
	calls, crowded := float64(t.Standing.InFlight()), 1.0
	if load, ok := t.Provider.Load(); ok {
		calls = max(calls, float64(load.Running+load.Waiting)) + float64(load.Waiting)
		if over := load.CacheUsage - cacheTight; over > 0 {
			crowded += (cacheFull - 1) * min(1, over/(1-cacheTight))
		}
	}
	return (calls/float64(t.Provider.Replicas()) + 1) * crowded
}

// draw gives each target its lot: in the order of their lots, targets stand in weighted random order (Efraimidis and
// Spirakis, "Weighted random sampling with a reservoir"). Fallbacks have none, and stay in order.
func draw(list []ranked, targets []Target, random Rand) {
	for i := range list {
		if weight := targets[list[i].index].Weight; weight > 0 {
			list[i].key = -math.Log(1-random()) / float64(weight)
		}
	}
}
