package queue_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	inProgress = batchv1.BatchState_BATCH_STATE_IN_PROGRESS
	completed  = batchv1.BatchState_BATCH_STATE_COMPLETED
	expired    = batchv1.BatchState_BATCH_STATE_EXPIRED
	cancelled  = batchv1.BatchState_BATCH_STATE_CANCELLED
)

// second is an answer after a second.
func second(ctx context.Context, _ *store.Batch, _ int64) queue.Answer {
	after(ctx, time.Second)
	return good()
}

// TestConcurrency: never more at once than the queue may, or the batch, and as many where there is work.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	bubble(t, second, func(w *world) {
		narrow := w.batch("acme", 20, func(b *store.Batch) { b.Concurrency = 1 })
		expect(t, w.at(10500*time.Millisecond, narrow), inProgress, store.Counts{Total: 20, Completed: 10})
		if _, most := w.calls(); most != 1 {
			t.Errorf("%d at once", most)
		}
		wide := w.batch("acme", 20, func(b *store.Batch) { b.Concurrency = 99 })
		expect(t, w.at(3*time.Second, narrow), inProgress, store.Counts{Total: 20, Completed: 13})
		expect(t, w.at(0, wide), inProgress, store.Counts{Total: 20, Completed: 9})
		if _, most := w.calls(); most != 4 {
			t.Errorf("%d at once", most)
		}
		expect(t, w.at(time.Minute, wide), completed, store.Counts{Total: 20, Completed: 20})
	})
}

// TestTurns: a tenant with many batches gets no more than one with a single one.
func TestTurns(t *testing.T) {
	t.Parallel()
	bubble(t, second, func(w *world) {
		for range 5 {
			w.batch("acme", 100)
		}
		lone := w.batch("globex", 100)
		w.at(51*time.Second, lone)
		order, _ := w.calls()
		n := strings.Count(strings.Join(order, " "), "globex")
		if n < 90 || n > 110 || len(order) < 200 {
			t.Errorf("%d of %d lines", n, len(order))
		}
	})
}

// TestBusy: who wants to be left alone is, for as long as it says, and nothing is lost.
func TestBusy(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	bubble(t, func(context.Context, *store.Batch, int64) queue.Answer {
		if calls.Add(1) > 4 {
			return good()
		}
		a := bad(queue.Busy)
		a.After = 10 * time.Minute
		return a
	}, func(w *world) {
		b := w.batch("acme", 40)
		w.at(9*time.Minute, b)
		before := calls.Load()
		if before != 4 {
			t.Errorf("%d calls in the pause", before)
		}
		expect(t, w.at(2*time.Minute, b), completed, store.Counts{Total: 40, Completed: 40})
	})
}

// TestBusyForEver: the window ends the waiting. Pauses grow.
func TestBusyForEver(t *testing.T) {
	t.Parallel()
	bubble(t, func(context.Context, *store.Batch, int64) queue.Answer { return bad(queue.Busy) }, func(w *world) {
		b := w.batch("acme", 10, func(b *store.Batch) { b.Expires = time.Now().Add(2 * time.Hour) })
		expect(t, w.at(2*time.Hour-time.Second, b), inProgress, store.Counts{Total: 10})
		expect(t, w.at(time.Second, b), expired, store.Counts{Total: 10, Expired: 10})
		// One in half a minute, more or less.
		if order, _ := w.calls(); len(order) < 150 || len(order) > 400 {
			t.Errorf("%d calls in two hours", len(order))
		}
	})
}

// TestPoison: a line that always fails while others go well ends with its failure, and doesn't hold the others up.
func TestPoison(t *testing.T) {
	t.Parallel()
	bubble(t, func(ctx context.Context, b *store.Batch, line int64) queue.Answer {
		if line == 3 {
			return bad(queue.Broken)
		}
		return second(ctx, b, line)
	}, func(w *world) {
		b := w.batch("acme", 300, func(b *store.Batch) { b.Concurrency = 1 })
		expect(t, w.at(6*time.Minute, b), completed, store.Counts{Total: 300, Completed: 299, Failed: 1})
		if n := w.times(b, 3); n < 10 || n > 15 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestStubborn: a line that fails when all others are done isn't asked until the end of time either.
func TestStubborn(t *testing.T) {
	t.Parallel()
	bubble(t, func(ctx context.Context, b *store.Batch, line int64) queue.Answer {
		if line == 3 {
			return bad(queue.Broken)
		}
		return second(ctx, b, line)
	}, func(w *world) {
		b := w.batch("acme", 3)
		expect(t, w.at(10*time.Minute, b), inProgress, store.Counts{Total: 3, Completed: 2})
		expect(t, w.at(3*time.Hour, b), completed, store.Counts{Total: 3, Completed: 2, Failed: 1})
	})
}

// TestOutage: where all lines fail it is none of theirs.
func TestOutage(t *testing.T) {
	t.Parallel()
	var well atomic.Bool
	bubble(t, func(ctx context.Context, b *store.Batch, line int64) queue.Answer {
		if !well.Load() {
			return bad(queue.Broken)
		}
		return second(ctx, b, line)
	}, func(w *world) {
		b := w.batch("acme", 20)
		expect(t, w.at(30*time.Minute, b), inProgress, store.Counts{Total: 20})
		well.Store(true)
		expect(t, w.at(5*time.Minute, b), completed, store.Counts{Total: 20, Completed: 20})
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	bubble(t, second, func(w *world) {
		b := w.batch("acme", 20)
		w.at(1500*time.Millisecond, b)
		if _, err := w.store.Cancel(w.t.Context(), b.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		w.queue.Notify(b.Number)
		expect(t, w.at(0, b), batchv1.BatchState_BATCH_STATE_CANCELLING, store.Counts{Total: 20, Completed: 4, Cancelled: 12})
		expect(t, w.at(time.Second, b), cancelled, store.Counts{Total: 20, Completed: 8, Cancelled: 12})
	})
}

// TestWindow: what is under way when the time is over ends, the rest has expired.
func TestWindow(t *testing.T) {
	t.Parallel()
	bubble(t, second, func(w *world) {
		b := w.batch("acme", 20, func(b *store.Batch) { b.Expires = time.Now().Add(1500 * time.Millisecond) })
		expect(t, w.at(time.Minute, b), expired, store.Counts{Total: 20, Completed: 8, Expired: 12})
		b = w.at(0, b)
		if b.OutputFile == "" || b.ErrorFile == "" {
			t.Errorf("%+v", b)
		}
		in, err := w.files.Read(w.t.Context(), b.ErrorFile, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err = errors.Join(err, in.Close()); err != nil || strings.Count(string(text), "batch_expired") != 12 {
			t.Errorf("%s %v", text, err)
		}
	})
}

// TestStop: what ends soon after is kept, and what doesn't is looked up; nothing is asked twice.
func TestStop(t *testing.T) {
	t.Parallel()
	bubble(t, func(ctx context.Context, _ *store.Batch, line int64) queue.Answer {
		if line == 2 {
			after(ctx, time.Hour)
			return bad(queue.Broken)
		}
		after(ctx, 3*time.Second)
		return good()
	}, func(w *world) {
		b := w.batch("acme", 10)
		w.at(time.Second, b)
		w.stop()
		expect(t, w.at(0, b), inProgress, store.Counts{Total: 10, Completed: 3})
		w.start()
		expect(t, w.at(time.Minute, b), completed, store.Counts{Total: 10, Completed: 9, Failed: 1})
		if n := w.times(b, 2); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// ledger knows of some lines, once it is there.
type ledger struct {
	answered map[int64]bool
	away     atomic.Int64
}

func (l *ledger) Answered(_ context.Context, _ *store.Batch, line int64, _ time.Time) (bool, error) {
	if l.away.Add(-1) >= 0 {
		return false, errors.New("away")
	}
	return l.answered[line], nil
}

// TestCrash: lines that were begun are asked again only where the ledger knows of no answer.
func TestCrash(t *testing.T) {
	t.Parallel()
	l := &ledger{answered: map[int64]bool{1: true, 3: true}}
	l.away.Store(3)
	hang := atomic.Bool{}
	hang.Store(true)
	bubble(t, func(ctx context.Context, b *store.Batch, line int64) queue.Answer {
		if hang.Load() {
			<-ctx.Done()
			return bad(queue.Broken)
		}
		return second(ctx, b, line)
	}, func(w *world) {
		b := w.batch("acme", 10)
		w.at(time.Second, b)
		w.stop() // as a crash, since nothing that was under way has ended
		begun, err := w.store.Begun(w.t.Context(), b.Number)
		if err != nil || len(begun) != 4 {
			t.Fatalf("%v %v", begun, err)
		}
		hang.Store(false)
		w.start()
		expect(t, w.at(4*time.Second, b), inProgress, store.Counts{Total: 10, Completed: 6})
		expect(t, w.at(time.Minute, b), completed, store.Counts{Total: 10, Completed: 8, Failed: 2})
		for line, want := range map[int]int{1: 1, 2: 2, 3: 1, 4: 2, 5: 1} {
			if got := w.times(b, line); got != want {
				t.Errorf("line %d was asked %d times, want %d", line, got, want)
			}
		}
		list, err := w.store.Results(w.t.Context(), b.Number, 0, 1, 1)
		if err != nil || !strings.Contains(string(list[0].Body), `"interrupted"`) || list[0].HTTPStatus != 0 {
			t.Errorf("%v %v", list, err)
		}
	}, func(o *queue.Options) { o.Ledger = l })
}

// TestFinalizingAgain: a process that dies while it writes results leaves that to the next.
func TestFinalizingAgain(t *testing.T) {
	t.Parallel()
	bubble(t, second, func(w *world) {
		w.stop()
		b := w.batch("acme", 1)
		ctx := w.t.Context()
		if err := w.store.AddLines(ctx, b.Number, []store.Line{{Number: 1, CustomID: "a"}}); err != nil {
			t.Fatal(err)
		}
		if err := w.store.Start(ctx, b.Number, "m", time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.store.Expire(ctx, b.Number); err != nil {
			t.Fatal(err)
		}
		if _, err := w.store.Finalize(ctx, b.Number, "file-o", "file-e", time.Now()); err != nil {
			t.Fatal(err)
		}
		w.start()
		b = w.at(time.Second, b)
		if expect(t, b, expired, store.Counts{Total: 1, Expired: 1}); b.ErrorFile != "file-e" || b.OutputFile != "" {
			t.Errorf("%+v", b)
		}
	})
}

// TestSweep: what is too old goes, to the last byte, and the rest stays.
func TestSweep(t *testing.T) {
	t.Parallel()
	bubble(t, second, func(w *world) {
		b := w.batch("acme", 3)
		b = w.at(time.Minute, b)
		expect(t, b, completed, store.Counts{Total: 3, Completed: 3})
		if _, err := w.files.Part(w.t.Context(), b.Source, 0, 1); err == nil {
			t.Error("the requests of a call are kept")
		}
		if _, err := w.files.Part(w.t.Context(), b.OutputFile, 0, 1); err != nil {
			t.Error(err)
		}
		after(w.t.Context(), 2*time.Hour)
		synctest.Wait()
		if _, err := w.store.ByNumber(w.t.Context(), b.Number); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if _, err := w.files.Part(w.t.Context(), b.OutputFile, 0, 1); err == nil {
			t.Error("the results are kept")
		}
	}, func(o *queue.Options) { o.Retention = time.Hour })
}

// TestFileGone: a batch whose file is away fails, and says so.
func TestFileGone(t *testing.T) {
	t.Parallel()
	bubble(t, second, func(w *world) {
		b := w.at(time.Second, w.batch("acme", 3, func(b *store.Batch) { b.Source = "nothing" }))
		if b.State != batchv1.BatchState_BATCH_STATE_FAILED || b.Problems[0].Code != "file_unreadable" {
			t.Errorf("%+v", b)
		}
	})
}

// full is a store on a disk that is full for a while.
type full struct {
	store.Store

	fails atomic.Int64
}

func (f *full) Finish(ctx context.Context, r []store.Result) error {
	if f.fails.Add(-1) >= 0 {
		return errors.New("the disk is full")
	}
	return f.Store.Finish(ctx, r)
}

// TestFullDisk: results wait for room, nothing is asked meanwhile and nothing twice.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	f := new(full)
	f.fails.Store(60)
	bubble(t, second, func(w *world) {
		b := w.batch("acme", 10)
		expect(t, w.at(30*time.Second, b), inProgress, store.Counts{Total: 10})
		expect(t, w.at(time.Minute, b), completed, store.Counts{Total: 10, Completed: 10})
		for line := range 10 {
			if n := w.times(b, line+1); n != 1 {
				t.Errorf("line %d was asked %d times", line+1, n)
			}
		}
	}, func(o *queue.Options) {
		f.Store = o.Store
		o.Store = f
	})
}

func TestMeters(t *testing.T) {
	t.Parallel()
	reader := sdk.NewManualReader()
	read := func() map[string]int64 {
		var all metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &all); err != nil {
			t.Fatal(err)
		}
		values := map[string]int64{}
		for _, m := range all.ScopeMetrics[0].Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					outcome, _ := p.Attributes.Value("outcome")
					values[m.Name+" "+outcome.AsString()] = p.Value
				}
			case metricdata.Gauge[int64]:
				values[m.Name] = d.DataPoints[0].Value
			}
		}
		return values
	}
	bubble(t, func(ctx context.Context, b *store.Batch, line int64) queue.Answer {
		if line == 2 {
			return bad(queue.Done)
		}
		return second(ctx, b, line)
	}, func(w *world) {
		b := w.batch("acme", 10, func(b *store.Batch) { b.Expires = time.Now().Add(1500 * time.Millisecond) })
		w.at(time.Second, b)
		if got := read()["headgate.batch.active"]; got != 1 {
			t.Errorf("%d active", got)
		}
		w.at(time.Minute, b)
		for name, want := range map[string]int64{
			"headgate.batch.active": 0, "headgate.batch.lines succeeded": 8, "headgate.batch.lines errored": 1, "headgate.batch.lines expired": 1,
		} {
			if got := read()[name]; got != want {
				t.Errorf("%s: %d, want %d", name, got, want)
			}
		}
	}, func(o *queue.Options) { o.Meter = sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("") })
}
