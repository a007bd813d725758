package queue_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// mortal is a store, and a vendor, whose process dies at the n-th thing that happens to them: each call that changes
// something is two, before it is done and after. Nothing happens after that.
type mortal struct {
	store.Store
	vendor *vendor

	mu    sync.Mutex
	left  int
	dead  bool
	where string
	kill  func()
}

var errDead = errors.New("the process is dead")

// alive counts what happens.
func (m *mortal) alive(what string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errDead
	}
	if m.left--; m.left > 0 {
		return nil
	}
	m.dead, m.where = true, what
	m.kill()
	return errDead
}

func (m *mortal) died() (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.where, m.dead
}

// do does something between two chances to die.
func do[T any](m *mortal, what string, f func() (T, error)) (T, error) {
	var none T
	if err := m.alive("before " + what); err != nil {
		return none, err
	}
	v, err := f()
	if err := m.alive("after " + what); err != nil {
		return none, err
	}
	return v, err
}

func only(m *mortal, what string, f func() error) error {
	_, err := do(m, what, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

func (m *mortal) Claim(ctx context.Context, batch int64, limit int, now time.Time) ([]store.Line, error) {
	return do(m, "Claim", func() ([]store.Line, error) { return m.Store.Claim(ctx, batch, limit, now) })
}

func (m *mortal) Finish(ctx context.Context, r []store.Result) error {
	return only(m, "Finish", func() error { return m.Store.Finish(ctx, r) })
}

func (m *mortal) Release(ctx context.Context, w []store.Wait) error {
	return only(m, "Release", func() error { return m.Store.Release(ctx, w) })
}

func (m *mortal) CreateJob(ctx context.Context, j store.Job) (store.Job, error) {
	return do(m, "CreateJob", func() (store.Job, error) { return m.Store.CreateJob(ctx, j) })
}

func (m *mortal) Park(ctx context.Context, l []store.Parked) error {
	return only(m, "Park", func() error {
		err := m.Store.Park(ctx, l)
		for _, p := range l {
			if err == nil {
				m.vendor.kept(p.Line, p.Context)
			}
		}
		return err
	})
}

func (m *mortal) AddHolds(ctx context.Context, l []store.Hold) error {
	return only(m, "AddHolds", func() error {
		err := m.Store.AddHolds(ctx, l)
		for _, h := range l {
			if err == nil {
				m.vendor.kept(h.Line, h.Context)
			}
		}
		return err
	})
}

func (m *mortal) DropHolds(ctx context.Context, n []int64) error {
	return only(m, "DropHolds", func() error { return m.Store.DropHolds(ctx, n) })
}

func (m *mortal) Seal(ctx context.Context, n int64) (store.Job, error) {
	return do(m, "Seal", func() (store.Job, error) { return m.Store.Seal(ctx, n) })
}

func (m *mortal) Try(ctx context.Context, n int64, at time.Time) error {
	return only(m, "Try", func() error { return m.Store.Try(ctx, n, at) })
}

func (m *mortal) Submitted(ctx context.Context, n int64, r store.Reference) error {
	return only(m, "Submitted", func() error { return m.Store.Submitted(ctx, n, r) })
}

func (m *mortal) DropBodies(ctx context.Context, n int64, limit int) (bool, error) {
	return do(m, "DropBodies", func() (bool, error) { return m.Store.DropBodies(ctx, n, limit) })
}

func (m *mortal) Refuse(ctx context.Context, n int64, now time.Time) error {
	return only(m, "Refuse", func() error { return m.Store.Refuse(ctx, n, now) })
}

func (m *mortal) EndJob(ctx context.Context, n int64) error {
	return only(m, "EndJob", func() error { return m.Store.EndJob(ctx, n) })
}

func (m *mortal) Expire(ctx context.Context, n int64) (int64, error) {
	return do(m, "Expire", func() (int64, error) { return m.Store.Expire(ctx, n) })
}

func (m *mortal) Finalize(ctx context.Context, n int64, o, e string, now time.Time) (store.Batch, error) {
	return do(m, "Finalize", func() (store.Batch, error) { return m.Store.Finalize(ctx, n, o, e, now) })
}

func (m *mortal) End(ctx context.Context, n int64, f []store.File, now time.Time) error {
	return only(m, "End", func() error { return m.Store.End(ctx, n, f, now) })
}

func (m *mortal) Submit(ctx context.Context, b *store.Batch, j *store.Job, bodies job.Bodies) (store.Reference, error) {
	return do(m, "Submit", func() (store.Reference, error) { return m.vendor.Submit(ctx, b, j, bodies) })
}

func (m *mortal) Find(ctx context.Context, b *store.Batch, j *store.Job) (store.Reference, bool, error) {
	if err := m.alive("Find"); err != nil {
		return store.Reference{}, false, err
	}
	return m.vendor.Find(ctx, b, j)
}

func (m *mortal) Get(ctx context.Context, r store.Reference) (job.Standing, error) {
	return do(m, "Get", func() (job.Standing, error) { return m.vendor.Get(ctx, r) })
}

// providers are what the carrier asks, whose names collide with the store's.
type providers struct{ *mortal }

func (p providers) Finish(ctx context.Context, b *store.Batch, j *store.Job, l store.Parked, a job.Answer) job.Finished {
	if p.alive("before FinishLine") != nil {
		return job.Finished{Later: true}
	}
	f := p.vendor.Finish(ctx, b, j, l, a)
	if p.alive("after FinishLine") != nil {
		return job.Finished{Later: true}
	}
	return f
}

func (p providers) Results(ctx context.Context, j *store.Job) iter.Seq2[job.Answer, error] {
	return func(yield func(job.Answer, error) bool) {
		for a, err := range p.vendor.Results(ctx, j) {
			if dead := p.alive("in the results"); dead != nil {
				yield(job.Answer{}, dead)
				return
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

func (p providers) Cancel(ctx context.Context, r store.Reference) error {
	return only(p.mortal, "CancelJob", func() error { return p.vendor.Cancel(ctx, r) })
}

// TestDeath lets the process die at each thing that happens to its store and its provider, one after the other, and starts
// another over what is left. Each line gets one result, and is charged once; what was reserved for one is ended, unless the
// process died before it could keep that there is something.
func TestDeath(t *testing.T) {
	t.Parallel()
	for i, test := range []struct {
		name    string
		cancel  time.Duration
		over    time.Duration
		prepare func(v *vendor)
		again   bool
	}{
		{name: "all goes well"},
		{name: "dead twice", again: true},
		{name: "cancelled", cancel: 40 * time.Second},
		{name: "cancelled untried", cancel: 40 * time.Second, prepare: notNow},
		{name: "over untried", over: 70 * time.Second, prepare: notNow},
		{name: "not taken", prepare: func(v *vendor) {
			v.submit = func(*store.Job) error { return &job.Refusal{Final: true, Err: errors.New("no")} }
		}},
		{name: "refused", prepare: func(v *vendor) {
			v.get = func(u *upstream) (job.Standing, error, bool) { return job.Refused, nil, u.id == "up1" }
		}},
		{name: "unknown", prepare: func(v *vendor) {
			n := 0
			v.lose = func(*store.Job) error {
				if n++; n%2 == 1 {
					return errors.New("the connection broke")
				}
				return nil
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			places := map[string]int{}
			// All deaths take a minute, and several with the race detector.
			stride := 12
			switch {
			case os.Getenv("BATCH_TEST_LARGE") != "":
				stride = 1
			case testing.Short():
				stride = 500
			}
			n := min(stride, 1+i)
			for ; ; n += stride {
				v := newVendor(queue.Limits{Lines: 2})
				if test.prepare != nil {
					test.prepare(v)
				}
				where, dead := death(t, v, n, test.cancel, test.over, test.again)
				if !dead || t.Failed() {
					break
				}
				places[where]++
			}
			t.Logf("%d deaths, at %v", n/stride, places)
		})
	}
}

// die ends what the process does, as far as that can be done to a part of one.
func (w *world) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kill()
}

const mortalLines = 5

// notNow never takes a job.
func notNow(v *vendor) {
	v.submit = func(*store.Job) error { return &job.Refusal{Err: errors.New("too many")} }
}

// death runs a batch whose process dies at the n-th thing.
func death(t *testing.T, v *vendor, n int, cancel, over time.Duration, twice bool) (where string, dead bool) {
	m := &mortal{vendor: v, left: n}
	handing(t, v, func(w *world) {
		b := w.batch("acme", mortalLines, func(b *store.Batch) {
			if over > 0 {
				b.Created, b.Expires = b.Created.Add(over-24*time.Hour), b.Created.Add(over)
			}
		})
		if cancel > 0 {
			w.at(cancel, b)
			w.cancel(b)
		}
		w.at(3*time.Minute, b)
		w.stop()
		if where, dead = m.died(); dead {
			v.life++
			w.o.Store, w.o.Providers = w.store, v
			if twice {
				again := &mortal{Store: w.store, vendor: v, left: 1 + n%7, kill: w.die}
				w.o.Store, w.o.Providers = again, providers{again}
				w.start()
				w.at(3*time.Minute, b)
				w.stop()
				v.life++
				w.o.Store, w.o.Providers = w.store, v
			}
		}
		w.start()
		b = w.at(15*time.Minute, b)
		state, counts := completed, store.Counts{Total: mortalLines, Completed: mortalLines}
		switch {
		case cancel > 0:
			state, counts = cancelled, store.Counts{Total: mortalLines, Cancelled: mortalLines}
		case over > 0:
			state, counts = expired, store.Counts{Total: mortalLines, Expired: mortalLines}
		}
		expect(t, b, state, counts)
		list := handed(w, v, b, mortalLines)
		if _, forgotten := v.ended(b, list); forgotten > w.o.Concurrency*v.life {
			t.Errorf("%d reservations are forgotten", forgotten)
		}
		if t.Failed() {
			t.Logf("death %d: %s", n, where)
		}
	}, func(o *queue.Options) {
		o.Ledger = &ledger{}
		m.Store = o.Store
		o.Store, o.Providers = m, providers{m}
		m.kill = o.Asker.(*asker).w.die
	})
	return where, dead
}
