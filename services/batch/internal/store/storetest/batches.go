package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// made creates the n-th batch.
func made(t *testing.T, s store.Store, n int, change ...func(*store.Batch)) store.Batch {
	t.Helper()
	b := store.Batch{
		ID: fmt.Sprint("batch_", n), Tenant: []string{"acme", "globex"}[n%2], Dialect: llmv1.Dialect(1 + n%3/2), Source: "blob",
		Particulars: store.Particulars{
			KeyID: "key", Operation: batchv1.BatchOperation_BATCH_OPERATION_CHAT, InputFile: "file-1", Format: batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES,
			Created: now(), Expires: now().Add(time.Hour), Concurrency: 3, Sensitivity: llmv1.Sensitivity_SENSITIVITY_HIGH,
			Metadata: map[string]string{"a": "'\x00é"}, Tags: map[string]string{"b": "c"}, Headers: map[string]string{"d": "e"}, Models: []string{"m*"},
		},
	}
	for _, c := range change {
		c(&b)
	}
	b, err := s.CreateBatch(t.Context(), b)
	ok(t, err)
	return b
}

// started makes a batch of so many lines and starts it.
func started(t *testing.T, s store.Store, n, lines int) store.Batch {
	t.Helper()
	b := made(t, s, n)
	add(t, s, b, lines)
	ok(t, s.Start(t.Context(), b.Number, "m", now()))
	return read(t, s, b)
}

func add(t *testing.T, s store.Store, b store.Batch, n int) {
	t.Helper()
	list := make([]store.Line, n)
	for i := range list {
		list[i] = store.Line{Number: int64(i + 1), CustomID: fmt.Sprint("x", i+1), At: int64(10 * i), Size: 7}
	}
	ok(t, s.AddLines(t.Context(), b.Number, list))
}

func read(t *testing.T, s store.Store, b store.Batch) store.Batch {
	t.Helper()
	b, err := s.ByNumber(t.Context(), b.Number)
	ok(t, err)
	return b
}

func batchesComeBack(t *testing.T, s store.Store) {
	b := made(t, s, 1)
	got, err := s.Batch(t.Context(), "batch_1")
	if got.Problems == nil {
		got.Problems = b.Problems
	}
	if len(got.Problems) == 0 {
		got.Problems = nil
	}
	if err != nil || !reflect.DeepEqual(got, b) {
		t.Errorf("%+v, want %+v: %v", got, b, err)
	}
	if got.State != batchv1.BatchState_BATCH_STATE_VALIDATING || got.Number == 0 {
		t.Errorf("%+v", got)
	}
	if _, err := s.Batch(t.Context(), "batch_2"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.ByNumber(t.Context(), b.Number+1); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if again := made(t, s, 2); again.Number <= b.Number {
		t.Errorf("number %d after %d", again.Number, b.Number)
	}
}

func pagesOfBatches(t *testing.T, s store.Store) {
	for n := range 10 {
		made(t, s, n)
	}
	for _, test := range []struct {
		q    store.BatchQuery
		want string
	}{
		{store.BatchQuery{Limit: 3}, "[batch_9 batch_8 batch_7]"},
		{store.BatchQuery{Limit: 3, After: "batch_7"}, "[batch_6 batch_5 batch_4]"},
		{store.BatchQuery{Limit: 3, Before: "batch_5"}, "[batch_8 batch_7 batch_6]"},
		{store.BatchQuery{Limit: 9, Before: "batch_5", After: "batch_8"}, "[batch_7 batch_6]"},
		{store.BatchQuery{Limit: 3, Tenant: "globex", After: "batch_7"}, "[batch_5 batch_3 batch_1]"},
		{store.BatchQuery{Limit: 9, Dialect: llmv1.Dialect_DIALECT_ANTHROPIC}, "[batch_8 batch_5 batch_2]"},
	} {
		list, err := s.ListBatches(t.Context(), test.q)
		var ids []string
		for _, b := range list {
			ids = append(ids, b.ID)
		}
		if err != nil || fmt.Sprint(ids) != test.want {
			t.Errorf("%+v: %v %v", test.q, ids, err)
		}
	}
	for _, q := range []store.BatchQuery{{After: "x", Limit: 1}, {Before: "batch_1", Tenant: "acme", Limit: 1}} {
		if _, err := s.ListBatches(t.Context(), q); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func cancel(t *testing.T, s store.Store) {
	b := started(t, s, 1, 5)
	lines := claim(t, s, b, 2)
	b, err := s.Cancel(t.Context(), b.ID, now())
	if err != nil || b.State != batchv1.BatchState_BATCH_STATE_CANCELLING || b.Counts.Cancelled != 3 || !b.Cancelling.Equal(now()) {
		t.Errorf("%+v %v", b, err)
	}
	again, err := s.Cancel(t.Context(), b.ID, now().Add(time.Hour))
	if err != nil || !again.Cancelling.Equal(now()) {
		t.Errorf("%+v %v", again, err)
	}
	if left := claim(t, s, b, 9); len(left) > 0 {
		t.Errorf("claimed %v", left)
	}
	finish(t, s, b, lines[0], batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	ok(t, s.Release(t.Context(), []store.Wait{{Batch: b.Number, Line: lines[1].Number, Due: now()}}))
	if b = read(t, s, b); b.Counts != (store.Counts{Total: 5, Completed: 1, Cancelled: 4}) {
		t.Errorf("%+v", b.Counts)
	}
	if _, err := s.Cancel(t.Context(), "x", now()); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

func cancelEarly(t *testing.T, s store.Store) {
	b := made(t, s, 1)
	add(t, s, b, 2)
	b, err := s.Cancel(t.Context(), b.ID, now())
	if err != nil || b.State != batchv1.BatchState_BATCH_STATE_CANCELLING {
		t.Errorf("%+v %v", b, err)
	}
	ok(t, s.AddLines(t.Context(), b.Number, []store.Line{{Number: 3, CustomID: "x3"}}))
	ok(t, s.Start(t.Context(), b.Number, "m", now()))
	if b = read(t, s, b); b.State != batchv1.BatchState_BATCH_STATE_CANCELLING || b.Counts != (store.Counts{Total: 3, Cancelled: 3}) {
		t.Errorf("%+v", b)
	}
	bad := made(t, s, 2)
	_, err = s.Cancel(t.Context(), bad.ID, now())
	ok(t, err)
	ok(t, s.Fail(t.Context(), bad.Number, nil, now()))
	if bad = read(t, s, bad); bad.State != batchv1.BatchState_BATCH_STATE_CANCELLED {
		t.Errorf("%+v", bad)
	}
}

func expire(t *testing.T, s store.Store) {
	b := started(t, s, 1, 5)
	claim(t, s, b, 2)
	if n, err := s.Expire(t.Context(), b.Number); err != nil || n != 3 {
		t.Errorf("%d %v", n, err)
	}
	if b = read(t, s, b); b.Counts.Expired != 3 || b.State != batchv1.BatchState_BATCH_STATE_IN_PROGRESS {
		t.Errorf("%+v", b)
	}
}

func fail(t *testing.T, s store.Store) {
	b := made(t, s, 1)
	add(t, s, b, 2)
	problems := []store.Problem{{Line: 1, Code: "a", Message: "b", Field: "c"}, {Code: "d"}}
	ok(t, s.Fail(t.Context(), b.Number, problems, now()))
	got := read(t, s, b)
	if got.State != batchv1.BatchState_BATCH_STATE_FAILED || !reflect.DeepEqual(got.Problems, problems) || got.Counts.Total != 0 || !got.Ended.Equal(now()) {
		t.Errorf("%+v", got)
	}
	if list, err := s.Open(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("%v %v", list, err)
	}
}

func validatedTwice(t *testing.T, s store.Store) {
	b := made(t, s, 1)
	add(t, s, b, 3)
	ok(t, s.ClearLines(t.Context(), b.Number))
	add(t, s, b, 2)
	ok(t, s.Start(t.Context(), b.Number, "m", now()))
	ok(t, s.ClearLines(t.Context(), b.Number))
	if b = read(t, s, b); b.Counts.Total != 2 || b.Model != "m" || len(claim(t, s, b, 9)) != 2 {
		t.Errorf("%+v", b)
	}
}

// states does what can't be done.
func states(t *testing.T, s store.Store) {
	b := started(t, s, 1, 1)
	for name, err := range map[string]error{
		"add":      s.AddLines(t.Context(), b.Number, nil),
		"start":    s.Start(t.Context(), b.Number, "m", now()),
		"fail":     s.Fail(t.Context(), b.Number, nil, now()),
		"finalize": second(s.Finalize(t.Context(), b.Number, "o", "e", now())),
		"end":      s.End(t.Context(), b.Number, nil, now()),
		"delete":   s.DeleteBatch(t.Context(), b.ID, now()),
	} {
		if !errors.Is(err, store.ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ends(t *testing.T, s store.Store) {
	for n, test := range []struct {
		prepare func(b store.Batch)
		want    batchv1.BatchState
	}{
		{func(b store.Batch) { finish(t, s, b, claim(t, s, b, 1)[0], batchv1.LineOutcome_LINE_OUTCOME_ERRORED) }, batchv1.BatchState_BATCH_STATE_COMPLETED},
		{func(b store.Batch) { ok(t, second(s.Expire(t.Context(), b.Number))) }, batchv1.BatchState_BATCH_STATE_EXPIRED},
		{func(b store.Batch) { ok(t, second(s.Cancel(t.Context(), b.ID, now()))) }, batchv1.BatchState_BATCH_STATE_CANCELLED},
	} {
		b := started(t, s, n, 1)
		test.prepare(b)
		b, err := s.Finalize(t.Context(), b.Number, fmt.Sprint("file-o", n), fmt.Sprint("file-e", n), now())
		if err != nil || b.State != batchv1.BatchState_BATCH_STATE_FINALIZING {
			t.Fatalf("%+v %v", b, err)
		}
		b, err = s.Finalize(t.Context(), b.Number, "other", "other", now().Add(time.Hour))
		if err != nil || b.OutputFile != fmt.Sprint("file-o", n) || !b.Finalizing.Equal(now()) {
			t.Fatalf("again: %+v %v", b, err)
		}
		f := file(100 + n)
		f.ID = b.OutputFile
		ok(t, s.End(t.Context(), b.Number, []store.File{f}, now()))
		if b = read(t, s, b); b.State != test.want || !b.HasEnded() || !b.Ended.Equal(now()) || b.OutputFile != f.ID || b.ErrorFile != "" {
			t.Errorf("%+v", b)
		}
		if _, err := s.File(t.Context(), f.ID); err != nil {
			t.Error(err)
		}
	}
}

func purge(t *testing.T, s store.Store) {
	old := func(n int, at time.Time) store.Batch {
		b := started(t, s, n, 7)
		for _, l := range claim(t, s, b, 7) {
			finish(t, s, b, l, batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
		}
		_, err := s.Finalize(t.Context(), b.Number, fmt.Sprint("file-", n), "e", at)
		ok(t, err)
		ok(t, s.End(t.Context(), b.Number, []store.File{file(n)}, at))
		return b
	}
	deleted, expired, kept := old(1, now()), old(2, now().Add(-2*time.Hour)), old(3, now())
	open := started(t, s, 4, 3)
	ok(t, s.DeleteBatch(t.Context(), deleted.ID, now()))
	if _, err := s.Batch(t.Context(), deleted.ID); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	rounds := 0
	for more := true; more; rounds++ {
		var err error
		more, err = s.Purge(t.Context(), now().Add(-time.Hour), now(), 3)
		ok(t, err)
	}
	if rounds < 10 {
		t.Errorf("%d rounds for 28 rows, 3 at a time", rounds)
	}
	for _, b := range []store.Batch{deleted, expired} {
		if left, err := s.Results(t.Context(), b.Number, 0, 10, 1<<20); err != nil || len(left) > 0 {
			t.Errorf("%v %v", left, err)
		}
		if _, err := s.ByNumber(t.Context(), b.Number); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	}
	if left, err := s.Results(t.Context(), kept.Number, 0, 10, 1<<20); err != nil || len(left) != 7 {
		t.Errorf("%v %v", left, err)
	}
	if len(claim(t, s, open, 9)) != 3 {
		t.Error("lines of an open batch are gone")
	}
	if blobs, err := s.Garbage(t.Context(), now(), 10); err != nil || len(blobs) != 2 {
		t.Errorf("%v %v", blobs, err)
	}
}
