package storetest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Crowd has 64 callers reserve and settle on one budget at once: what they paid, and hold, is never more than it.
func Crowd(t *testing.T, s store.Store) {
	t.Helper()
	const callers, calls, cost = 64, 20, dollar / 10
	scopes := budgeted(50, store.Total)
	b := &bench{T: t, store: s}
	if err := s.Seed(t.Context(), store.Seed{Tenant: "acme", Scope: scopes[0]}); err != nil {
		t.Fatal(err)
	}
	var spent, most, admitted atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := range calls {
				id := strconv.Itoa(i) + "-" + strconv.Itoa(n)
				a, err := s.Reserve(t.Context(), b.call(id, cost, scopes...))
				if err != nil {
					t.Error(err)
					return
				}
				if a.Refusal != nil {
					continue
				}
				admitted.Add(1)
				if now := spent.Add(cost); now > most.Load() {
					most.Store(now)
				}
				if n%2 == 0 { // half of them are settled, with half of what they reserved
					spent.Add(-cost / 2) // before: nobody may take it for spent once it has come back
					b.paid(id, cost/2, scopes...)
				}
			}
		})
	}
	all.Wait()
	if most.Load() > 50*dollar || spent.Load() > 50*dollar || spent.Load() < 45*dollar {
		t.Errorf("%d admitted, spent %d, at most %d", admitted.Load(), spent.Load(), most.Load())
	}
	b.left(scopes[0], 50*dollar-spent.Load())
}
