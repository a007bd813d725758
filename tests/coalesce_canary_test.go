package tests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestJoinedCanaries: 10 000 calls (2 000 in short tests) of five tenants that ask the same in all dialects and modes; a
// fifth of them leaves, and providers fail: each answer is whole, and to its own question and tenant (promises C1, C4).
//
// It runs alone: beside other meshes most lookups of a split one would be late.
func TestJoinedCanaries(t *testing.T) {
	calls := 10_000
	if testing.Short() {
		calls /= 5
	}
	for name, start := range map[string]func(t *testing.T, e *repeater) []*mesh.Mesh{
		"all": func(t *testing.T, e *repeater) []*mesh.Mesh {
			return []*mesh.Mesh{mesh.Start(t, mesh.Options{Upstream: e})}
		},
		"two nodes, one Redis": func(t *testing.T, e *repeater) []*mesh.Mesh {
			url, _ := startRedis(t)
			first := mesh.Start(t, mesh.Options{Split: true, Upstream: e, Env: []string{"HEADGATE_REDIS_URL=" + url}})
			return []*mesh.Mesh{first, first.StartNode(t)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newRepeater(func(_ string, n int) manner {
				m := manner{after: time.Duration(n%7) * 5 * time.Millisecond}
				if n%11 == 3 {
					m.status = 400
				}
				return m
			})
			canaries(t, e, calls/2, start(t, e))
		})
	}
}

func canaries(t *testing.T, e *repeater, calls int, meshes []*mesh.Mesh) {
	t.Helper()
	const tenants, clients = 5, 16
	var keys [tenants]string
	for i := range keys {
		keys[i] = makeKey(t, meshes[0], mesh.Key, fmt.Sprintf(`"name":"k","tenant":"tenant-%d"`, i)).Secret
	}
	for _, m := range meshes {
		eventually(t, "every node knows the keys", func() bool {
			resp, _ := ask(t, m, keys[tenants-1], "GET", "/v1/models", "")
			return resp.StatusCode == 200
		})
		warmUp(t, m, crowd{key: mesh.Key})
	}
	var labels sync.Map
	var answered, left, failed, foreign atomic.Int64
	// texts are which tenant an answer of the provider's belongs to: it says which call of its question it is.
	var texts sync.Map
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(11, uint64(i)))
			for n := range calls / clients {
				tenant := random.IntN(tenants)
				c := crowds(keys[tenant], fmt.Sprintf("question %d", n/4))[random.IntN(4)]
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if random.IntN(5) == 0 {
					time.AfterFunc(time.Duration(random.IntN(30))*time.Millisecond, cancel)
				}
				h := c.one(ctx, meshes[random.IntN(len(meshes))])
				switch {
				case h.err != nil:
					left.Add(1)
					if ctx.Err() == nil || h.took > 30*time.Second {
						t.Errorf("after %v: %v", h.took, h.err)
					}
				case h.status == 400:
					failed.Add(1)
				case h.status != 200 || !c.whole(h.text):
					foreign.Add(1)
					t.Errorf("%q is answered with %d: %s", c.question, h.status, tail([]byte(h.text)))
				default:
					answered.Add(1)
					label, _ := labels.LoadOrStore(h.label, new(atomic.Int64))
					label.(*atomic.Int64).Add(1)
					if owner, ok := texts.LoadOrStore(h.text, tenant); ok && owner != tenant {
						foreign.Add(1)
						t.Errorf("tenant %d reads tenant %d's %s", tenant, owner, tail([]byte(h.text)))
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	counts := map[string]int64{}
	labels.Range(func(k, v any) bool { counts[k.(string)] = v.(*atomic.Int64).Load(); return true })
	e.mu.Lock()
	asked := 0
	for _, n := range e.asked {
		asked += n
	}
	e.mu.Unlock()
	t.Logf("%d answered, %d left, %d failed, %d foreign; the provider asked %d times; %v", answered.Load(), left.Load(), failed.Load(), foreign.Load(), asked, counts)
	if counts["off"] > answered.Load()/2 {
		t.Log("the machine is too busy for lookups")
	} else if counts["coalesced"] == 0 {
		t.Error("nobody was joined")
	}
	if foreign.Load() > 0 || answered.Load() == 0 {
		t.Error("an answer crossed, or nothing was joined")
	}
}
