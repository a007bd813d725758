package promises_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestU1: kill -9 of whichever service at whatever moment, under load; then three books are compared: the provider's, the
// ledger, and a budget. Every answer that a client saw whole has its row, with the provider's count; no attempt has two
// rows; and the budget has no less than the ledger.
func TestU1(t *testing.T) {
	c := newChaos(t, func(round, attempt int) plan {
		r := chance("killed", round, attempt)
		return plan{how: healthy, script: fmt.Sprintf("chunks=%d,header_delay=%dms", 1+r.IntN(30), r.IntN(40)), pieces: 300 * r.IntN(2)}
	})
	k := &killing{tally: promise(t, "U1", "services killed under load, three books"), chaos: c, whole: map[int]bool{}}
	k.mesh = start(t, mesh.Options{Upstream: c, Split: true})
	k.budget = budgeted(t, k.mesh)
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 6 {
		load.Go(func() { k.load(t.Context(), stop) })
	}
	kills := size(6, 200)
	for n := range kills {
		k.kill(t, n)
		k.kept()
	}
	close(stop)
	load.Wait()
	k.settled(t)
	k.found("%d calls, %d answered in full; %d kills, %d of the router, which took %d attempts with it",
		k.calls.Load(), len(k.whole), kills, k.routers, k.taken)
}

// killing is a load on a mesh whose services die.
type killing struct {
	*tally

	chaos  *chaos
	mesh   *mesh.Mesh
	budget string
	calls  atomic.Int64
	// routers is how often the router was killed, taken how many attempts went with it.
	routers, taken int

	mu    sync.Mutex
	whole map[int]bool
}

// load asks, some ten times a second. Every other call has a budget.
func (k *killing) load(ctx context.Context, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(80 * time.Millisecond):
		}
		round := int(k.calls.Add(1))
		r := chance("killed call", round, 0)
		dialect, whole := []string{"openai", "anthropic"}[r.IntN(2)], r.IntN(2) == 0
		model := []string{"openai/gpt-4o", "claude/claude-opus-4-6"}[r.IntN(2)]
		path, text := body(dialect, model, round, false, whole)
		a := exchange(ctx, k.mesh, path, text, "X-Request-Id", killedID(round), "Authorization", "Bearer "+k.key(round))
		if a.err != nil || a.status != http.StatusOK {
			continue
		}
		complete := json.Valid(a.body)
		if !whole {
			s, err := saw(dialect, a.body, nil)
			complete = err == nil && s.end == terminal
		}
		k.mu.Lock()
		k.whole[round] = complete
		k.mu.Unlock()
	}
}

func killedID(round int) string { return fmt.Sprintf("u1-%d", round) }

func (k *killing) key(round int) string {
	if round%2 == 0 {
		return k.budget
	}
	return mesh.Key
}

// kill ends a service and starts it again a moment later.
func (k *killing) kill(t *testing.T, n int) {
	t.Helper()
	r := chance("kill", n, 0)
	<-time.After(time.Duration(200+r.IntN(600)) * time.Millisecond)
	victims := []string{"usage", "router", "ratelimit", "router", "keys", "cache"}
	victim := victims[(n+r.IntN(2)*3)%len(victims)]
	if victim == "router" {
		k.routers++
	}
	k.mesh.Kill(t, victim)
	<-time.After(time.Duration(r.IntN(400)) * time.Millisecond)
	k.mesh.StartService(t, victim)
}

// settled compares the books, once everything is up again.
func (k *killing) settled(t *testing.T) {
	t.Helper()
	var list map[string][]row
	missing := 0
	within(patient(20*time.Second), func() bool {
		var err error
		if list, err = rows(t.Context(), k.mesh); err != nil {
			return false
		}
		missing = 0
		for round, whole := range k.whole {
			if whole && len(list[killedID(round)]) == 0 {
				missing++
			}
		}
		return missing == 0
	})
	if missing > 0 || len(k.whole) == 0 {
		k.broken("%d of %d answers that clients saw whole aren't in the ledger", missing, len(k.whole))
	}
	var costs int64
	for round := range int(k.calls.Load()) + 1 {
		costs += k.compare(round, k.chaos.attempts(round), list[killedID(round)])
	}
	if most := 6 * k.routers; k.taken > most {
		k.broken("%d attempts have no row; %d kills of the router took at most %d", k.taken, k.routers, most)
	}
	var spent int64
	if !within(patient(20*time.Second), func() (ok bool) {
		var err error
		spent, err = spentOf(t.Context(), k.mesh, k.budget)
		return err == nil && spent >= costs
	}) {
		k.broken("the ledger says that the budget's calls cost %d, the budget %d", costs, spent)
	}
}

// compare looks at the rows of one request, and returns what it cost its budget.
func (k *killing) compare(round int, attempts []*spoken, list []row) (pico int64) {
	seen := map[string]bool{}
	complete := 0
	for _, r := range list {
		if seen[r.ID] {
			k.broken("round %d: two rows with one id: %+v", round, list)
		}
		seen[r.ID] = true
		if r.Cost != nil && k.key(round) == k.budget {
			pico += *r.Cost
		}
		if r.Outcome != "OUTCOME_COMPLETE" {
			continue
		}
		complete++
		if !k.said(attempts, r.Tokens) || r.Estimated {
			k.broken("round %d: no provider said %+v\n%s", round, r, tell(attempts))
		}
	}
	if complete > len(attempts) || (k.whole[round] && complete == 0) {
		k.broken("round %d: %d attempts, seen whole: %v, and the rows %+v", round, len(attempts), k.whole[round], list)
	}
	k.taken += max(0, len(attempts)-len(list))
	return pico
}

func (k *killing) said(attempts []*spoken, u bill) bool {
	for _, a := range attempts {
		if said, ok := a.billed(); ok && said == u {
			return true
		}
	}
	return false
}
