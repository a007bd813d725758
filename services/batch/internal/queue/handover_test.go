package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// TestHandedOver: a batch goes to its provider in as many jobs as their limits make, and nothing of it is asked live.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]queue.Limits{
		"lines": {Lines: 4}, "inputs": {Inputs: 4},
		// A line takes 31 bytes or 32, and 256.
		"bytes": {Bytes: 1200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(limits)
			handing(t, v, func(w *world) {
				b := w.batch("acme", 10)
				expect(t, w.at(30*time.Second, b), inProgress, store.Counts{Total: 10})
				if got := v.sizes(); fmt.Sprint(slices.Sorted(slices.Values(got))) != "[2 4 4]" {
					t.Errorf("jobs of %v lines", got)
				}
				b = w.at(2*time.Minute, b)
				expect(t, b, completed, store.Counts{Total: 10, Completed: 10})
				handed(w, v, b, 10)
				if b.Usage != (store.Usage{Input: 30, Output: 20}) || len(w.order) > 0 {
					t.Errorf("%+v, %d asked live", b.Usage, len(w.order))
				}
			})
		})
	}
}

// TestAskedLive: lines that no batch API takes go the old way, beside others that go the new one.
func TestAskedLive(t *testing.T) {
	t.Parallel()
	odd := func(line int64) *queue.Answer {
		if line%2 == 0 {
			return nil
		}
		return &queue.Answer{Verdict: queue.Live}
	}
	for _, test := range []struct {
		name     string
		vendor   *vendor
		change   func(*store.Batch)
		off      bool
		prepared int
		live     int
	}{
		{name: "every other", vendor: &vendor{prepare: odd}, prepared: 10, live: 5},
		{name: "too large for any job", vendor: &vendor{limits: queue.Limits{Bytes: 100}}, prepared: 10, live: 10},
		{name: "a short window", vendor: &vendor{}, change: func(b *store.Batch) { b.Expires = b.Created.Add(23 * time.Hour) }, live: 10},
		{name: "off", vendor: &vendor{}, off: true, live: 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(test.vendor.limits)
			v.prepare = test.vendor.prepare
			handing(t, v, func(w *world) {
				var changes []func(*store.Batch)
				if test.change != nil {
					changes = append(changes, test.change)
				}
				b := w.at(2*time.Minute, w.batch("acme", 10, changes...))
				expect(t, b, completed, store.Counts{Total: 10, Completed: 10})
				handed(w, v, b, 10)
				if len(v.prepared) != test.prepared || len(w.order) != test.live {
					t.Errorf("%d prepared, %d asked live", len(v.prepared), len(w.order))
				}
			}, func(o *queue.Options) {
				if test.off {
					o.Preparer = nil
				}
			})
		})
	}
}

// TestPaced: a key's limits pace the handing over, and what is there goes after five minutes.
func TestPaced(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	left := 3
	v.prepare = func(int64) *queue.Answer {
		v.mu.Lock()
		defer v.mu.Unlock()
		if left--; left >= 0 {
			return nil
		}
		a := bad(queue.Busy)
		a.After = 4 * time.Minute
		return &a
	}
	handing(t, v, func(w *world) {
		b := w.batch("acme", 9)
		w.at(time.Second, b)
		v.count(func() int { left = 3; return 0 })
		w.at(290*time.Second, b)
		if got := v.sizes(); len(got) != 0 {
			t.Errorf("jobs of %v lines", got)
		}
		w.at(11*time.Second, b)
		if got := v.sizes(); fmt.Sprint(got) != "[6]" {
			t.Errorf("jobs of %v lines", got)
		}
		v.count(func() int { left = 99; return 0 })
		b = w.at(time.Hour, b)
		expect(t, b, completed, store.Counts{Total: 9, Completed: 9})
		handed(w, v, b, 9)
	})
}

// TestParkedTakesNoPlace: lines at a provider don't keep others from being asked.
func TestParkedTakesNoPlace(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	v.takes = 10 * time.Hour
	handing(t, v, func(w *world) {
		w.batch("acme", 50)
		b := w.batch("globex", 20, func(b *store.Batch) { b.Expires = b.Created.Add(time.Hour) })
		expect(t, w.at(time.Minute, b), completed, store.Counts{Total: 20, Completed: 20})
	})
}

// TestSubmitting: whatever comes of submitting, each line is charged once.
func TestSubmitting(t *testing.T) {
	t.Parallel()
	gone := errors.New("the connection broke")
	once := func(err error) func(*store.Job) error {
		n := 0
		return func(*store.Job) error {
			if n++; n == 1 {
				return err
			}
			return nil
		}
	}
	for _, test := range []struct {
		name   string
		vendor func(v *vendor)
		// found is how often the job is looked for at least, jobs how many there are at the provider in the end.
		found, jobs int
		live        int
		within      time.Duration
	}{
		{"unknown and taken", func(v *vendor) { v.lose = once(gone) }, 1, 1, 0, 3 * time.Minute},
		{"unknown and not taken", func(v *vendor) { v.submit = once(gone) }, 1, 1, 0, 3 * time.Minute},
		{"unknown and taken late", func(v *vendor) { v.late = 8 * time.Second }, 1, 1, 0, 3 * time.Minute},
		{"unknown and unclear for a while", func(v *vendor) {
			v.lose = once(gone)
			v.find = func(*store.Job) (bool, error) { return v.finding < 5, nil }
		}, 5, 1, 0, 10 * time.Minute},
		{"unknown and the router is away", func(v *vendor) {
			v.lose = once(gone)
			v.find = func(*store.Job) (bool, error) {
				if v.finding < 5 {
					return false, gone
				}
				return false, nil
			}
		}, 5, 1, 0, 10 * time.Minute},
		{"not taken now", func(v *vendor) { v.submit = once(&job.Refusal{After: time.Minute, Err: gone}) }, 0, 1, 0, 4 * time.Minute},
		{"unknown and never taken", func(v *vendor) { v.submit = func(*store.Job) error { return gone } }, 5, 0, 5, time.Hour},
		{"refused", func(v *vendor) { v.submit = once(&job.Refusal{Final: true, Err: gone}) }, 0, 0, 5, time.Minute},
		{"refused later", func(v *vendor) {
			v.get = func(*upstream) (job.Standing, error, bool) { return job.Refused, nil, true }
		}, 0, 1, 5, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(queue.Limits{})
			test.vendor(v)
			handing(t, v, func(w *world) {
				b := w.at(test.within, w.batch("acme", 5))
				expect(t, b, completed, store.Counts{Total: 5, Completed: 5})
				handed(w, v, b, 5)
				if v.finding < test.found || (test.found == 0 && v.finding > 0) || len(v.upstreams) != test.jobs || len(w.order) != test.live || len(v.prepared) != 5 {
					t.Errorf("looked for %d times, %d jobs, %d asked live, %d prepared", v.finding, len(v.upstreams), len(w.order), len(v.prepared))
				}
			})
		})
	}
}

// TestFollowing: whatever the provider says of a job and its results, each line gets one.
func TestFollowing(t *testing.T) {
	t.Parallel()
	failing := func(line int64) (job.Finished, bool) { return job.Finished{}, line == 3 }
	for _, test := range []struct {
		name   string
		vendor func(v *vendor)
		within time.Duration
		counts store.Counts
		state  batchv1.BatchState
		code   string
	}{
		{"results cut in the middle", func(v *vendor) {
			n := 0
			v.results = func(*store.Job) int {
				if n++; n < 5 {
					return n
				}
				return -1
			}
		}, time.Hour, store.Counts{Total: 5, Completed: 5}, completed, ""},
		{"results that end early for good", func(v *vendor) {
			v.results = func(*store.Job) int { return 4 }
			v.cut = fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "4 of 5")
			v.skip, v.outcome = func(line int64) bool { return line == 3 }, odds(3, errored)
		}, time.Hour, store.Counts{Total: 5, Completed: 4, Failed: 1}, completed, "no_result"},
		{
			"results missing", func(v *vendor) { v.skip = func(line int64) bool { return line == 3 }; v.outcome = odds(3, errored) },
			5 * time.Minute,
			store.Counts{Total: 5, Completed: 4, Failed: 1},
			completed, "no_result",
		},
		{
			"a line expired there", func(v *vendor) { v.outcome = odds(3, batchv1.LineOutcome_LINE_OUTCOME_EXPIRED) },
			5 * time.Minute,
			store.Counts{Total: 5, Completed: 4, Expired: 1},
			expired, "",
		},
		{
			"a line cancelled there", func(v *vendor) { v.outcome = odds(3, batchv1.LineOutcome_LINE_OUTCOME_CANCELLED) },
			5 * time.Minute,
			store.Counts{Total: 5, Completed: 4, Cancelled: 1},
			completed, "",
		},
		{"the router is away for a while", func(v *vendor) {
			v.get = func(*upstream) (job.Standing, error, bool) { return 0, errors.New("away"), v.gets < 20 }
		}, 3 * time.Hour, store.Counts{Total: 5, Completed: 5}, completed, ""},
		{"unknown for a moment", func(v *vendor) {
			v.get = func(*upstream) (job.Standing, error, bool) { return job.Unknown, nil, v.gets < 4 }
		}, time.Hour, store.Counts{Total: 5, Completed: 5}, completed, ""},
		{"unknown for good", func(v *vendor) {
			v.get = func(*upstream) (job.Standing, error, bool) { return job.Unknown, nil, true }
		}, time.Hour, store.Counts{Total: 5, Failed: 5}, completed, "lost_at_provider"},
		{"a line can't be finished for a while", func(v *vendor) {
			n := 0
			v.finish = func(line int64) (job.Finished, bool) {
				f, set := failing(line)
				f.Later = true
				n++
				return f, set && n < 20
			}
		}, 2 * time.Hour, store.Counts{Total: 5, Completed: 5}, completed, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(queue.Limits{})
			test.vendor(v)
			handing(t, v, func(w *world) {
				b := w.at(test.within, w.batch("acme", 5))
				expect(t, b, test.state, test.counts)
				found := test.code == ""
				for _, r := range handed(w, v, b, 5) {
					found = found || (r.Outcome == errored && strings.Contains(string(r.Body), test.code))
				}
				if !found || len(w.order) > 0 {
					t.Errorf("no %s, %d asked live", test.code, len(w.order))
				}
			})
		})
	}
}

// odds is an outcome of one line.
func odds(line int64, o batchv1.LineOutcome) func(int64) batchv1.LineOutcome {
	return func(n int64) batchv1.LineOutcome {
		if n == line {
			return o
		}
		return 0
	}
}

// TestWaitsForMoney: lines that there is no money for wait while others at the provider hold some.
func TestWaitsForMoney(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	v.prepare = func(int64) *queue.Answer {
		v.mu.Lock()
		defer v.mu.Unlock()
		open := 0
		for _, r := range v.reserved {
			if r.ended == 0 {
				open++
			}
		}
		if open < 4 {
			return nil
		}
		return &queue.Answer{Outcome: errored, HTTPStatus: 429, Body: []byte("{}"), Poor: true}
	}
	handing(t, v, func(w *world) {
		b := w.at(time.Hour, w.batch("acme", 10))
		expect(t, b, completed, store.Counts{Total: 10, Completed: 10})
		handed(w, v, b, 10)
	})
}

// TestNoMoneyAtAll: where nothing can come back such lines end.
func TestNoMoneyAtAll(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	v.prepare = func(int64) *queue.Answer {
		return &queue.Answer{Outcome: errored, HTTPStatus: 429, Body: []byte("{}"), Poor: true}
	}
	handing(t, v, func(w *world) {
		expect(t, w.at(time.Minute, w.batch("acme", 3)), completed, store.Counts{Total: 3, Failed: 3})
	})
}

// TestNeverFinished: a line that the router never finishes ends, and doesn't hold its batch up for ever.
func TestNeverFinished(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	v.finish = func(line int64) (job.Finished, bool) {
		return job.Finished{Broken: true, Result: store.Result{Outcome: errored, HTTPStatus: 500, Body: []byte("{}")}}, line == 3
	}
	handing(t, v, func(w *world) {
		b := w.batch("acme", 5)
		expect(t, w.at(5*time.Minute, b), inProgress, store.Counts{Total: 5, Completed: 4})
		expect(t, w.at(time.Hour, b), completed, store.Counts{Total: 5, Completed: 4, Failed: 1})
	})
}

// TestPolls: the pauses between questions grow to five minutes.
func TestPolls(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	v.takes = 4 * time.Hour
	handing(t, v, func(w *world) {
		b := w.batch("acme", 2)
		w.at(6*time.Second, b)
		if gets := v.asked(); gets != 1 {
			t.Errorf("asked %d times in six seconds", gets)
		}
		b = w.at(5*time.Hour, b)
		expect(t, b, completed, store.Counts{Total: 2, Completed: 2})
		if gets := v.asked(); gets < 53 || gets > 75 {
			t.Errorf("asked %d times in four hours", gets)
		}
	})
}

// TestStopped: a batch that is cancelled or over ends what wasn't handed over, and brings home what was.
func TestStopped(t *testing.T) {
	t.Parallel()
	refused, gone := &job.Refusal{Err: errors.New("too many")}, errors.New("the connection broke")
	ever := func(err error) func(*store.Job) error { return func(*store.Job) error { return err } }
	unclearUntil := func(end time.Duration) func(*store.Job) (bool, error) {
		return func(*store.Job) (bool, error) { return time.Since(bubbleStart()) < end, nil }
	}
	for _, test := range []struct {
		name string
		// vendor is told when the batch is to end.
		vendor func(v *vendor, end time.Duration)
		// within is how long after the end of the batch it is checked.
		within time.Duration
		// all lines were answered, or may have been.
		all, lost bool
	}{
		{name: "running", vendor: func(*vendor, time.Duration) {}, within: time.Minute},
		{name: "running and deaf", vendor: func(v *vendor, end time.Duration) { v.deaf, v.takes = true, end+30*time.Minute }, within: time.Hour, all: true},
		{name: "never ends", vendor: func(v *vendor, _ time.Duration) { v.deaf = true }, within: 70 * time.Minute, lost: true},
		{name: "nobody answers", vendor: func(v *vendor, _ time.Duration) {
			v.get = func(*upstream) (job.Standing, error, bool) { return 0, errors.New("away"), true }
		}, within: 25 * time.Hour, lost: true},
		{name: "not taken now", vendor: func(v *vendor, _ time.Duration) { v.submit = ever(refused) }, within: time.Minute},
		{name: "unknown and taken", vendor: func(v *vendor, end time.Duration) { v.lose, v.find = ever(gone), unclearUntil(end) }, within: 15 * time.Minute},
		{name: "unknown and not taken", vendor: func(v *vendor, end time.Duration) { v.submit, v.find = ever(gone), unclearUntil(end) }, within: 15 * time.Minute},
		{name: "unknown for ever", vendor: func(v *vendor, _ time.Duration) {
			v.lose, v.find = ever(gone), unclearUntil(1000*time.Hour)
		}, within: 70 * time.Minute, lost: true},
	} {
		for _, name := range []string{"cancelled", "over"} {
			t.Run(test.name+", "+name, func(t *testing.T) {
				t.Parallel()
				cancel := name == "cancelled"
				state, counts := expired, store.Counts{Total: 5, Expired: 5}
				switch {
				case test.all:
					state, counts = completed, store.Counts{Total: 5, Completed: 5}
				case test.lost:
					state, counts = completed, store.Counts{Total: 5, Failed: 5}
				case cancel:
					counts = store.Counts{Total: 5, Cancelled: 5}
				}
				if cancel {
					state = cancelled
				}
				v := newVendor(queue.Limits{Lines: 3})
				v.takes = 1000 * time.Hour
				const end = 10 * time.Minute
				test.vendor(v, end)
				handing(t, v, func(w *world) {
					b := w.batch("acme", 5, func(b *store.Batch) { b.Created, b.Expires = b.Created.Add(end-24*time.Hour), b.Created.Add(end) })
					w.at(end-time.Second, b)
					if cancel {
						w.cancel(b)
					}
					b = w.at(test.within, b)
					expect(t, b, state, counts)
					list, err := w.store.Results(w.t.Context(), b.Number, 0, 9, 1<<20)
					if err != nil || len(list) != 5 || len(w.order) > 0 {
						t.Errorf("%d results, %d asked live: %v", len(list), len(w.order), err)
					}
					v.ended(b, list)
				})
			})
		}
	}
}

// asked is how often the vendor was asked how a job stands.
func (v *vendor) asked() int { return v.count(func() int { return v.gets }) }

// bubbleStart is when time begins in a bubble.
func bubbleStart() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// cancel cancels a batch as its owner does.
func (w *world) cancel(b store.Batch) store.Batch {
	w.t.Helper()
	b, err := w.store.Cancel(w.t.Context(), b.ID, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.queue.Notify(b.Number)
	return b
}

// TestCancelledEarly: what is parked and not handed over is cancelled at once.
func TestCancelledEarly(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	v.prepare = func(line int64) *queue.Answer {
		if line <= 5 {
			return nil
		}
		a := bad(queue.Busy)
		a.After = time.Hour
		return &a
	}
	handing(t, v, func(w *world) {
		b := w.batch("acme", 10)
		w.at(time.Minute, b)
		if b = w.cancel(b); b.Counts.Cancelled != 10 {
			t.Errorf("%+v", b.Counts)
		}
		expect(t, w.at(time.Second, b), cancelled, store.Counts{Total: 10, Cancelled: 10})
		if len(v.upstreams) > 0 {
			t.Errorf("%d jobs", len(v.upstreams))
		}
	})
}

// TestStoppedWhileHandingOver: a process that ends in order leaves its jobs to the next one.
func TestStoppedWhileHandingOver(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{Lines: 4})
	handing(t, v, func(w *world) {
		b := w.batch("acme", 10)
		for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond, 30 * time.Second, 31 * time.Second, 5 * time.Second} {
			w.at(d, b)
			w.stop()
			w.start()
		}
		b = w.at(10*time.Minute, b)
		expect(t, b, completed, store.Counts{Total: 10, Completed: 10})
		handed(w, v, b, 10)
	}, func(o *queue.Options) { o.Ledger = &ledger{} })
}

// TestSwitchedOffWhileForming: lines that were parked are asked live where nothing is to be handed over any more.
func TestSwitchedOffWhileForming(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	v.prepare = func(line int64) *queue.Answer {
		if line <= 3 {
			return nil
		}
		a := bad(queue.Busy)
		a.After = time.Hour
		return &a
	}
	handing(t, v, func(w *world) {
		b := w.batch("acme", 6)
		w.at(time.Minute, b)
		w.stop()
		w.o.Preparer = nil
		w.start()
		b = w.at(2*time.Hour, b)
		expect(t, b, completed, store.Counts{Total: 6, Completed: 6})
		if len(v.upstreams) > 0 || len(w.order) != 6 {
			t.Errorf("%d jobs, %d asked live", len(v.upstreams), len(w.order))
		}
	})
}

// TestWays: the metrics tell which way lines went, and what is at providers.
func TestWays(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	v.prepare = func(line int64) *queue.Answer {
		if line > 2 {
			return nil
		}
		return &queue.Answer{Verdict: queue.Live}
	}
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	handing(t, v, func(w *world) {
		b := w.batch("acme", 5)
		w.at(30*time.Second, b)
		if got := read(w, reader); got["headgate.batch.jobs vendor"] != 1 || got["headgate.batch.answers live"] != 2 {
			t.Errorf("%v", got)
		}
		w.at(5*time.Minute, b)
		got := read(w, reader)
		if got["headgate.batch.jobs vendor"] != 0 || got["headgate.batch.answers job"] != 3 || got["headgate.batch.lines succeeded"] != 5 {
			t.Errorf("%v", got)
		}
	}, func(o *queue.Options) { o.Meter = provider.Meter("") })
}

// read returns the metrics by their names and the values of their attributes.
func read(w *world, reader *sdk.ManualReader) map[string]int64 {
	w.t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(w.t.Context(), &all); err != nil {
		w.t.Fatal(err)
	}
	got := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		var points []metricdata.DataPoint[int64]
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			points = data.DataPoints
		case metricdata.Gauge[int64]:
			points = data.DataPoints
		}
		for _, p := range points {
			name := m.Name
			for _, a := range p.Attributes.ToSlice() {
				name += " " + a.Value.AsString()
			}
			got[name] = p.Value
		}
	}
	return got
}

// TestRefusedWhenCancelled: a job that is being submitted when its batch is cancelled isn't submitted another time.
func TestRefusedWhenCancelled(t *testing.T) {
	t.Parallel()
	v := newVendor(queue.Limits{})
	tries := 0
	v.submit = func(*store.Job) error {
		if tries++; tries > 1 {
			return nil
		}
		after(context.Background(), time.Minute)
		return &job.Refusal{Err: errors.New("too many")}
	}
	handing(t, v, func(w *world) {
		b := w.batch("acme", 5)
		w.at(30*time.Second, b)
		w.cancel(b)
		expect(t, w.at(5*time.Minute, b), cancelled, store.Counts{Total: 5, Cancelled: 5})
		if tries != 1 || len(v.upstreams) > 0 {
			t.Errorf("tried %d times, %d jobs", tries, len(v.upstreams))
		}
	})
}
