package memory

import (
	"crypto/rand"
	"encoding/binary"
	"sync"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// maxScopes bounds how many withdrawals are told apart. Beyond it those of one tenant, or all, are taken for one: too
// much is withdrawn then, never too little.
const maxScopes = 10_000

// withdrawals knows, of every scope, the number of its last withdrawal. A generation is the highest number that concerns
// a tenant and a model; an entry is good as long as that is the one it was looked up under. Safe for concurrent use.
type withdrawals struct {
	// boot tells generations of this process from those of another: callers may outlive it.
	boot [8]byte

	mu   sync.RWMutex
	last uint64
	// all is of everything; byModel of a model at every tenant; byTenant is of one tenant.
	all      uint64
	byModel  map[string]uint64
	byTenant map[string]*tenant
	// models counts the entries of byTenant's maps.
	models int
}

// tenant is the withdrawals of one tenant's answers.
type tenant struct {
	all     uint64
	byModel map[string]uint64
}

func newWithdrawals() *withdrawals {
	w := &withdrawals{last: 1, all: 1, byModel: make(map[string]uint64), byTenant: make(map[string]*tenant)}
	_, _ = rand.Read(w.boot[:]) // never fails: crypto/rand ends the program where there is no randomness
	return w
}

// current is the number of the last withdrawal that concerns a tenant and a model.
func (w *withdrawals) current(tenantName, model string) uint64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	n := max(w.all, w.byModel[model])
	if t := w.byTenant[tenantName]; t != nil {
		n = max(n, t.all, t.byModel[model])
	}
	return n
}

// add makes everything in the scope old.
func (w *withdrawals) add(s store.Scope) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last++
	switch {
	case s.Tenant == "" && s.Model == "":
		w.forget()
	case s.Tenant == "":
		w.byModel[s.Model] = w.last
	default:
		w.ofTenant(s)
	}
	if len(w.byModel)+len(w.byTenant)+w.models > maxScopes {
		w.forget()
	}
}

// forget withdraws everything, so that nothing else need be known.
func (w *withdrawals) forget() {
	w.all, w.models = w.last, 0
	clear(w.byModel)
	clear(w.byTenant)
}

// maxModels is how many models of one tenant are told apart: no tenant makes the others' answers go.
const maxModels = 1000

func (w *withdrawals) ofTenant(s store.Scope) {
	t := w.byTenant[s.Tenant]
	if t == nil {
		t = &tenant{byModel: make(map[string]uint64)}
		w.byTenant[s.Tenant] = t
	}
	if s.Model == "" || len(t.byModel) >= maxModels {
		w.models -= len(t.byModel)
		t.all = w.last
		clear(t.byModel)
		return
	}
	w.models -= len(t.byModel)
	t.byModel[s.Model] = w.last
	w.models += len(t.byModel)
}

// generation is the number as callers hold it.
func (w *withdrawals) generation(n uint64) (g store.Generation) {
	copy(g[:8], w.boot[:])
	binary.BigEndian.PutUint64(g[8:], n)
	return g
}
