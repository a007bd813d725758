package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/files"
	"github.com/headgate-mesh/headgate/services/batch/internal/lines"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
	"github.com/headgate-mesh/headgate/services/batch/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a queue with its store, in a bubble whose clock stands still while anyone works.
type world struct {
	t     *testing.T
	store *sqlite.Store
	files *files.Bucket
	queue *queue.Queue
	o     queue.Options
	// stop stops the queue; kill is the beginning of that.
	stop, kill func()

	mu    sync.Mutex
	asked map[string]int
	order []string
	now   int
	most  int
}

// ask is a fake of the mesh.
type ask func(ctx context.Context, b *store.Batch, line int64) queue.Answer

// bubble runs a test with a queue that asks by f.
func bubble(t *testing.T, f ask, test func(w *world), change ...func(*queue.Options)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, asked: map[string]int{}}
		var err error
		if w.store, err = sqlite.Open(t.Context(), filepath.Join(dir, "batch.db")); err != nil {
			t.Fatal(err)
		}
		at, err := files.Directory(filepath.Join(dir, "files"))
		if err != nil {
			t.Fatal(err)
		}
		if w.files, err = files.Open(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		w.o = queue.Options{
			Store: w.store, Files: w.files, Asker: &asker{w, f}, Clock: time.Now, Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""),
			Concurrency: 4, MaxLines: 1000, MaxLine: 1 << 20, Retention: 48 * time.Hour,
		}
		for _, c := range change {
			c(&w.o)
		}
		w.start()
		defer func() {
			w.stop()
			if err := errors.Join(w.store.Close(), w.files.Close()); err != nil {
				t.Error(err)
			}
		}()
		test(w)
	})
}

// start runs the queue, which stop stops.
func (w *world) start() {
	var err error
	if w.queue, err = queue.New(w.o); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.mu.Lock()
	w.kill = cancel
	w.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.queue.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	w.stop = func() { cancel(); wg.Wait() }
}

// times is how often a line was asked.
func (w *world) times(b store.Batch, line int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[fmt.Sprintf("%s.%d", b.ID, line)]
}

// calls are the tenants of all lines that were asked, and how many were under way at once at most.
func (w *world) calls() (tenants []string, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.order), w.most
}

type asker struct {
	w *world
	f ask
}

// Ask notes what is asked.
func (a *asker) Ask(ctx context.Context, b *store.Batch, line int64, body []byte) queue.Answer {
	id := fmt.Sprintf("%s.%d", b.ID, line)
	if want := fmt.Sprintf(`{"model":"m","n":%d}`, line); string(body) != want {
		a.w.t.Errorf("%s: body %s", id, body)
	}
	a.w.mu.Lock()
	a.w.asked[id]++
	a.w.order = append(a.w.order, b.Tenant)
	a.w.now++
	a.w.most = max(a.w.most, a.w.now)
	a.w.mu.Unlock()
	answer := a.f(ctx, b, line)
	a.w.mu.Lock()
	a.w.now--
	a.w.mu.Unlock()
	return answer
}

func good() queue.Answer {
	return queue.Answer{Outcome: batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED, HTTPStatus: 200, Body: []byte(`{"a":1}`)}
}

func bad(v queue.Verdict) queue.Answer {
	return queue.Answer{Verdict: v, Outcome: batchv1.LineOutcome_LINE_OUTCOME_ERRORED, HTTPStatus: 500, Body: []byte(`{"error":{}}`)}
}

// after waits as long as a model thinks.
func after(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// batch makes a batch of so many lines.
func (w *world) batch(tenant string, n int, change ...func(*store.Batch)) store.Batch {
	w.t.Helper()
	var text bytes.Buffer
	for i := range n {
		text.Write(lines.AppendInline(nil, fmt.Sprint("x", i+1), fmt.Sprintf(`{"model":"m","n":%d}`, i+1)))
	}
	id := fmt.Sprintf("batch_%s%d", tenant, time.Now().UnixNano())
	for taken := true; taken; {
		_, err := w.store.Batch(w.t.Context(), id)
		if taken = err == nil; taken {
			id += "x"
		}
	}
	file, err := w.files.Create(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = file.Write(text.Bytes())
	if err := errors.Join(err, file.Commit()); err != nil {
		w.t.Fatal(err)
	}
	b := store.Batch{ID: id, Tenant: tenant, Source: id, Dialect: llmv1.Dialect_DIALECT_OPENAI, Particulars: store.Particulars{
		Format: store.FormatInline, Created: time.Now(), Expires: time.Now().Add(24 * time.Hour), Concurrency: 4,
	}}
	for _, c := range change {
		c(&b)
	}
	if b, err = w.store.CreateBatch(w.t.Context(), b); err != nil {
		w.t.Fatal(err)
	}
	w.queue.Notify(b.Number)
	return b
}

// at lets time pass and returns what has become of a batch.
func (w *world) at(d time.Duration, b store.Batch) store.Batch {
	w.t.Helper()
	after(w.t.Context(), d)
	synctest.Wait()
	b, err := w.store.ByNumber(w.t.Context(), b.Number)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// expect checks where a batch stands.
func expect(t *testing.T, b store.Batch, state batchv1.BatchState, c store.Counts) {
	t.Helper()
	if b.State != state || b.Counts != c {
		t.Errorf("%v %+v, want %v %+v", b.State, b.Counts, state, c)
	}
}
