package server

import (
	"context"
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

const (
	// firstPause and longestPause are between two looks at a lease, each twice as long as the one before: the first answers of
	// a quick provider aren't kept waiting, and a slow one costs ten looks a second however many wait.
	firstPause, longestPause = 5 * time.Millisecond, 100 * time.Millisecond
	// lookTimeout bounds one look. A backend that takes longer ends the wait.
	lookTimeout = 250 * time.Millisecond
)

// waits are the keys whose fill somebody waits for. Each lease is looked at by one goroutine for all that wait for it here;
// what ends by this instance is told at once. Safe for concurrent use.
type waits struct {
	store store.Store

	mu  sync.Mutex
	all map[store.Key]*wait
}

// wait is one lease that is looked at.
type wait struct {
	// over is closed when the lease may have ended.
	over   chan struct{}
	people int
	cancel context.CancelFunc
}

func newWaits(s store.Store) *waits { return &waits{store: s, all: make(map[store.Key]*wait)} }

// until waits until the lease of a key may have ended, or ctx does.
func (w *waits) until(ctx context.Context, k store.Key) {
	here := w.join(ctx, k)
	select {
	case <-here.over:
	case <-ctx.Done():
		w.leave(k, here)
	}
}

func (w *waits) join(ctx context.Context, k store.Key) *wait {
	w.mu.Lock()
	defer w.mu.Unlock()
	here := w.all[k]
	if here == nil {
		// It belongs to everyone who waits, not to the call that came first.
		look, cancel := context.WithCancel(context.WithoutCancel(ctx))
		here = &wait{over: make(chan struct{}), cancel: cancel}
		w.all[k] = here
		go w.watch(look, k, here)
	}
	here.people++
	return here
}

// leave ends the watch with the last one.
func (w *waits) leave(k store.Key, here *wait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if here.people--; here.people == 0 && w.all[k] == here {
		w.end(k, here)
	}
}

// ended tells everyone who waits for a key here.
func (w *waits) ended(k store.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if here := w.all[k]; here != nil {
		w.end(k, here)
	}
}

func (w *waits) end(k store.Key, here *wait) {
	delete(w.all, k)
	close(here.over)
	here.cancel()
}

// watch looks at the lease until it isn't held any more, or can't be looked at.
func (w *waits) watch(ctx context.Context, k store.Key, here *wait) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if !w.held(ctx, k) {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all[k] == here {
		w.end(k, here)
	}
}

func (w *waits) held(ctx context.Context, k store.Key) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	l, err := w.store.Lease(ctx, k)
	return err == nil && l == store.Filling
}
