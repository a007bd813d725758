package standing

import (
	"container/list"
	"sync"
)

// maxRecent bounds the targets that clients named.
const maxRecent = 1024

// recent keeps the targets that were asked for last. Safe for concurrent use.
type recent struct {
	mu     sync.Mutex
	byName map[string]*list.Element
	// order is of *entry, the latest first.
	order *list.List
}

type entry struct {
	model  string
	target *Target
}

func newRecent() *recent {
	return &recent{byName: make(map[string]*list.Element), order: list.New()}
}

// get returns the target of a model, a new one where it isn't known (any more).
func (r *recent) get(model string, repeats *Budget) *Target {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.byName[model]; ok {
		r.order.MoveToFront(e)
		return e.Value.(*entry).target
	}
	if r.order.Len() >= maxRecent {
		oldest := r.order.Back()
		delete(r.byName, r.order.Remove(oldest).(*entry).model)
	}
	e := &entry{model: model, target: NewTarget(repeats)}
	r.byName[model] = r.order.PushFront(e)
	return e.target
}
