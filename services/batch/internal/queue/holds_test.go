package queue_test

import (
	"errors"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// left is for how many lines something is held.
func (w *world) left() int {
	w.t.Helper()
	list, err := w.store.Holds(w.t.Context(), 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

// cancelledUntried is a batch of five that is cancelled while no provider takes its job.
func cancelledUntried(w *world) store.Batch {
	b := w.batch("acme", 5)
	w.at(time.Minute, b)
	w.cancel(b)
	b = w.at(0, b)
	expect(w.t, b, cancelled, store.Counts{Total: 5, Cancelled: 5})
	return b
}

// TestGivenBack: what is reserved for lines that end unasked is given back at once, or when the router is there again.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	away := job.Finished{Later: true}
	for _, test := range []struct {
		name string
		// finish says what the router makes of the n-th call.
		finish func(n int, line int64) (job.Finished, bool)
		within time.Duration
		// calls is how often it is asked at most.
		calls, left int
	}{
		{name: "at once", within: time.Second, calls: 5},
		{name: "the router is away", finish: func(n int, _ int64) (job.Finished, bool) { return away, n <= 30 }, within: 10 * time.Minute, calls: 40},
		{name: "away for long", finish: func(int, int64) (job.Finished, bool) { return away, true }, within: time.Hour, calls: 300, left: 5},
		{name: "one is broken", finish: func(_ int, line int64) (job.Finished, bool) {
			return job.Finished{Broken: true}, line == 3
		}, within: time.Hour, calls: 80, left: 1},
		{name: "one is broken for a while", finish: func(n int, line int64) (job.Finished, bool) {
			return job.Finished{Broken: true}, line == 3 && n < 10
		}, within: 10 * time.Minute, calls: 11},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(queue.Limits{})
			notNow(v)
			calls := 0
			v.finish = func(line int64) (job.Finished, bool) {
				if calls++; test.finish == nil {
					return job.Finished{}, false
				}
				return test.finish(calls, line)
			}
			handing(t, v, func(w *world) {
				b := w.at(test.within, cancelledUntried(w))
				ended := v.count(func() (n int) {
					for _, r := range v.reserved {
						n += min(r.ended, 1)
					}
					return n
				})
				asked := v.count(func() int { return calls })
				if got := w.left(); got != test.left || ended != 5-test.left || asked > test.calls {
					t.Errorf("%d left, %d given back, %d calls", got, ended, asked)
				}
				if test.left == 0 {
					return
				}
				w.at(31*time.Hour, b)
				if got := w.left(); got != 0 {
					t.Errorf("%d left when all have run out", got)
				}
			})
		})
	}
}

// TestNothingReserved: accounts without a budget cost nothing.
func TestNothingReserved(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	notNow(v)
	v.free = true
	v.finish = func(int64) (job.Finished, bool) {
		t.Error("the router is asked")
		return job.Finished{}, false
	}
	handing(t, v, func(w *world) {
		w.at(time.Hour, cancelledUntried(w))
	})
}

// TestPreparedInVain: what is reserved for a line that is never parked is given back, too.
func TestPreparedInVain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		cancel bool
		expire bool
		limits queue.Limits
	}{
		{name: "cancelled while it is prepared", cancel: true},
		{name: "over while it is prepared", expire: true},
		{name: "too large", limits: queue.Limits{Bytes: 100}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(test.limits)
			v.slow = 10 * time.Second
			handing(t, v, func(w *world) {
				b := w.batch("acme", 3, func(b *store.Batch) {
					if test.expire {
						b.Created, b.Expires = b.Created.Add(5*time.Second-24*time.Hour), b.Created.Add(5*time.Second)
					}
				})
				w.at(5*time.Second, b)
				if test.cancel {
					w.cancel(b)
				}
				b = w.at(time.Minute, b)
				if ended, _ := v.ended(b, nil); ended != 3 || len(v.sizes()) > 0 || w.left() > 0 {
					t.Errorf("%d given back, %d left, %d jobs", ended, w.left(), len(v.sizes()))
				}
			})
		})
	}
}

// TestMoneyFirst: lines of a refused job aren't asked live before what was reserved for them is given back.
func TestMoneyFirst(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	v.submit = func(*store.Job) error { return &job.Refusal{Final: true, Err: errors.New("no")} }
	handing(t, v, func(w *world) {
		b := w.batch("acme", 5)
		w.at(time.Second, b)
		order, _ := w.calls()
		if ended, _ := v.ended(b, nil); ended != 5 || len(order) > 0 {
			t.Errorf("%d given back, %d asked live", ended, len(order))
		}
		expect(t, w.at(2*time.Second, b), completed, store.Counts{Total: 5, Completed: 5})
	})
}

// TestManyGivenBack: many go to the router in groups, so that it can tell the limits of them.
func TestManyGivenBack(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	notNow(v)
	handing(t, v, func(w *world) {
		b := w.batch("acme", 600)
		w.at(time.Minute, b)
		w.cancel(b)
		w.at(0, b)
		if got := w.left(); got < 300 || got == 600 {
			t.Errorf("%d left at once", got)
		}
		b = w.at(3*time.Second, b)
		if ended, _ := v.ended(b, nil); ended != 600 || w.left() > 0 {
			t.Errorf("%d given back, %d left", ended, w.left())
		}
	})
}
