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

// formed makes the n-th job of a batch.
func formed(t *testing.T, s store.Store, b store.Batch, n int) store.Job {
	t.Helper()
	j, err := s.CreateJob(t.Context(), store.Job{
		ID: fmt.Sprintf("job_%d_%d", b.Number, n), Batch: b.Number, Model: "m", Formed: now(),
		Group: store.Group{Provider: "p", Model: "m", Headers: map[string]string{"a": "'é"}},
	})
	ok(t, err)
	return j
}

// parked parks lines in a job.
func parked(t *testing.T, s store.Store, j store.Job, lines ...store.Line) {
	t.Helper()
	var list []store.Parked
	for _, l := range lines {
		list = append(list, store.Parked{
			Job: j.Number, Batch: j.Batch, Line: l.Number, Model: "m", Sensitivity: llmv1.Sensitivity(1 + l.Number%3), Bytes: 10, Inputs: 2,
			Context: fmt.Appendf(nil, "c%d", l.Number), Body: fmt.Appendf(nil, "b%d", l.Number),
		})
	}
	ok(t, s.Park(t.Context(), list))
}

func job(t *testing.T, s store.Store, j store.Job) store.Job {
	t.Helper()
	j, err := s.Job(t.Context(), j.Number)
	ok(t, err)
	return j
}

func lineNumbers(list []store.Parked) string {
	var n []int64
	for _, p := range list {
		n = append(n, p.Line)
	}
	return fmt.Sprint(n)
}

func pendingLines(t *testing.T, s store.Store, j store.Job) string {
	t.Helper()
	list, err := s.Pending(t.Context(), j.Number, 0, 100)
	ok(t, err)
	return lineNumbers(list)
}

func jobsComeBack(t *testing.T, s store.Store) {
	b := started(t, s, 1, 5)
	made := formed(t, s, b, 1)
	if got := job(t, s, made); !reflect.DeepEqual(got, made) || got.State != store.JobForming {
		t.Errorf("%+v, want %+v", got, made)
	}
	lines := claim(t, s, b, 3)
	parked(t, s, made, lines[2], lines[0])
	parked(t, s, made, lines[0], store.Line{Number: 5}) // parked already, and not begun
	got := job(t, s, made)
	if got.Lines != 2 || got.Bytes != 20 || got.Inputs != 4 || got.First != 1 || got.Model != "m" || got.Sensitivity != llmv1.Sensitivity_SENSITIVITY_LOW {
		t.Errorf("%+v", got)
	}
	ok(t, s.Park(t.Context(), []store.Parked{{Job: made.Number, Batch: b.Number, Line: lines[1].Number, Model: "other"}}))
	if got = job(t, s, made); got.Lines != 3 || got.Model != "" {
		t.Errorf("%+v", got)
	}
	if begun, err := s.Begun(t.Context(), b.Number); err != nil || len(begun) > 0 {
		t.Errorf("%v %v", begun, err)
	}
	if n, _, err := s.Waiting(t.Context(), b.Number); err != nil || n != 2 {
		t.Errorf("%d %v", n, err)
	}
	if _, err := s.Job(t.Context(), made.Number+1); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	early := made
	early.ID, early.Batch = "job_early", madeEarly(t, s)
	if _, err := s.CreateJob(t.Context(), early); !errors.Is(err, store.ErrState) {
		t.Errorf("a job of a batch that isn't in progress: %v", err)
	}
}

func madeEarly(t *testing.T, s store.Store) int64 { return made(t, s, 7).Number }

func jobsGoTheirWay(t *testing.T, s store.Store) {
	b := started(t, s, 1, 3)
	j, empty := formed(t, s, b, 1), formed(t, s, b, 2)
	parked(t, s, j, claim(t, s, b, 3)...)
	if err := s.Try(t.Context(), j.Number, now()); !errors.Is(err, store.ErrState) {
		t.Errorf("tried while it forms: %v", err)
	}
	if got, err := s.Seal(t.Context(), empty.Number); err != nil || got.State != store.JobDone {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := s.Seal(t.Context(), j.Number); err != nil || got.State != store.JobSubmitting || got.Lines != 3 || !got.Tried.IsZero() {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := s.Seal(t.Context(), j.Number); !errors.Is(err, store.ErrState) {
		t.Errorf("sealed twice: %v", err)
	}
	ok(t, s.Try(t.Context(), j.Number, now()))
	if got := job(t, s, j); !got.Tried.Equal(now()) {
		t.Errorf("%+v", got)
	}
	ok(t, s.Try(t.Context(), j.Number, time.Time{}))
	ref := store.Reference{Provider: "p", UpstreamID: "u", Credential: "c"}
	ok(t, s.Submitted(t.Context(), j.Number, ref))
	if got := job(t, s, j); got.State != store.JobRunning || got.Reference != ref || !got.Tried.IsZero() {
		t.Errorf("%+v", got)
	}
	if list, err := s.Jobs(t.Context(), b.Number); err != nil || len(list) != 1 || list[0].Number != j.Number {
		t.Errorf("%v %v", list, err)
	}
	for name, err := range map[string]error{
		"tried": s.Try(t.Context(), j.Number, now()), "submitted": s.Submitted(t.Context(), j.Number, ref), "ended": s.EndJob(t.Context(), j.Number),
	} {
		if !errors.Is(err, store.ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range int64(3) {
		finish(t, s, b, store.Line{Number: n + 1}, batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	}
	ok(t, s.EndJob(t.Context(), j.Number))
	if list, err := s.Jobs(t.Context(), b.Number); err != nil || len(list) > 0 {
		t.Errorf("%v %v", list, err)
	}
	ok(t, s.Refuse(t.Context(), j.Number, now()))
	if b = read(t, s, b); b.Counts != (store.Counts{Total: 3, Completed: 3}) {
		t.Errorf("%+v", b.Counts)
	}
}

func bodies(t *testing.T, s store.Store) {
	b := started(t, s, 1, 9)
	j, other := formed(t, s, b, 1), formed(t, s, b, 2)
	parked(t, s, j, claim(t, s, b, 5)...)
	parked(t, s, other, claim(t, s, b, 4)...)
	for _, test := range []struct {
		after int64
		limit int
		bytes int64
		want  string
	}{{0, 9, 99, "[1 2 3 4 5]"}, {2, 2, 99, "[3 4]"}, {0, 9, 4, "[1 2]"}, {3, 9, 1, "[4]"}, {5, 9, 99, "[]"}} {
		list, err := s.Bodies(t.Context(), j.Number, test.after, test.limit, test.bytes)
		if err != nil || lineNumbers(list) != test.want || (len(list) > 0 && string(list[0].Body) != fmt.Sprint("b", test.after+1)) {
			t.Errorf("%+v: %v %v", test, list, err)
		}
	}
	for _, want := range []bool{true, true, false} {
		if more, err := s.DropBodies(t.Context(), j.Number, 2); err != nil || more != want {
			t.Errorf("%v %v", more, err)
		}
	}
	if list, err := s.Bodies(t.Context(), j.Number, 0, 9, 99); err != nil || len(list) > 0 {
		t.Errorf("%v %v", list, err)
	}
	if list, err := s.Bodies(t.Context(), other.Number, 0, 9, 99); err != nil || len(list) != 4 {
		t.Errorf("%v %v", list, err)
	}
}

func pending(t *testing.T, s store.Store) {
	b := started(t, s, 1, 9)
	j, other := formed(t, s, b, 1), formed(t, s, b, 2)
	parked(t, s, j, claim(t, s, b, 5)...)
	parked(t, s, other, claim(t, s, b, 4)...)
	finish(t, s, b, store.Line{Number: 2}, batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	list, err := s.Pending(t.Context(), j.Number, 1, 2)
	if err != nil || lineNumbers(list) != "[3 4]" || string(list[0].Context) != "c3" || list[0].Batch != b.Number || list[0].Job != j.Number {
		t.Errorf("%+v %v", list, err)
	}
	list, err = s.PendingOf(t.Context(), j.Number, []int64{7, 5, 2, 1, 99})
	if err != nil || lineNumbers(list) != "[1 5]" || string(list[1].Context) != "c5" {
		t.Errorf("%+v %v", list, err)
	}
	if list, err := s.PendingOf(t.Context(), j.Number, nil); err != nil || len(list) > 0 {
		t.Errorf("%+v %v", list, err)
	}
}

// refused: the lines are asked live, and those that have results aren't.
func refused(t *testing.T, s store.Store) {
	b := started(t, s, 1, 3)
	j := formed(t, s, b, 1)
	parked(t, s, j, claim(t, s, b, 3)...)
	finish(t, s, b, store.Line{Number: 2}, batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	for range 2 {
		ok(t, s.Refuse(t.Context(), j.Number, now()))
	}
	lines := claim(t, s, b, 9)
	if numbers(lines) != "[1 3]" || !lines[0].Live || !lines[1].Live {
		t.Errorf("%+v", lines)
	}
	if got := job(t, s, j); got.State != store.JobDone || pendingLines(t, s, j) != "[]" {
		t.Errorf("%+v", got)
	}
	ok(t, s.Release(t.Context(), []store.Wait{{Batch: b.Number, Line: 1, Due: now()}}))
	if lines = claim(t, s, b, 9); len(lines) != 1 || !lines[0].Live {
		t.Errorf("%+v", lines)
	}
}

// jobsEndWithTheirBatch: a batch that is cancelled or over ends what can't be at a provider, and nothing else.
func jobsEndWithTheirBatch(t *testing.T, s store.Store) {
	for n, test := range []struct {
		name string
		end  func(store.Batch)
		want store.Counts
	}{
		{"cancelled", func(b store.Batch) { ok(t, second(s.Cancel(t.Context(), b.ID, now()))) }, store.Counts{Total: 6, Cancelled: 3}},
		{"over", func(b store.Batch) {
			if n, err := s.Expire(t.Context(), b.Number); err != nil || n != 3 {
				t.Errorf("%d %v", n, err)
			}
		}, store.Counts{Total: 6, Expired: 3}},
	} {
		b := started(t, s, n, 6)
		forming, untried, tried, running := formed(t, s, b, 1), formed(t, s, b, 2), formed(t, s, b, 3), formed(t, s, b, 4)
		lines := claim(t, s, b, 5) // the sixth waits
		parked(t, s, forming, lines[0])
		parked(t, s, untried, lines[1])
		parked(t, s, tried, lines[2])
		parked(t, s, running, lines[3])
		for _, j := range []store.Job{untried, tried, running} {
			ok(t, second(s.Seal(t.Context(), j.Number)))
		}
		ok(t, s.Try(t.Context(), tried.Number, now()))
		ok(t, s.Submitted(t.Context(), running.Number, store.Reference{UpstreamID: "u"}))
		test.end(b)
		if got := read(t, s, b).Counts; got != test.want {
			t.Errorf("%s: %+v", test.name, got)
		}
		for _, j := range []store.Job{forming, untried, tried, running} {
			done := j.Number == forming.Number || j.Number == untried.Number
			if got := job(t, s, j); (got.State == store.JobDone) != done {
				t.Errorf("%s: %+v", test.name, got)
			}
		}
		if err := s.Try(t.Context(), untried.Number, now()); !errors.Is(err, store.ErrState) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// parkedTooLate: lines of a batch that is cancelling are cancelled instead.
func parkedTooLate(t *testing.T, s store.Store) {
	b := started(t, s, 1, 3)
	forming, tried := formed(t, s, b, 1), formed(t, s, b, 2)
	lines := claim(t, s, b, 3)
	parked(t, s, tried, lines[2])
	ok(t, second(s.Seal(t.Context(), tried.Number)))
	ok(t, s.Try(t.Context(), tried.Number, now()))
	ok(t, second(s.Cancel(t.Context(), b.ID, now())))
	parked(t, s, forming, lines[0], lines[1])
	if got := read(t, s, b).Counts; got != (store.Counts{Total: 3, Cancelled: 2}) {
		t.Errorf("%+v", got)
	}
	ok(t, s.Refuse(t.Context(), tried.Number, now()))
	if got := read(t, s, b).Counts; got != (store.Counts{Total: 3, Cancelled: 3}) {
		t.Errorf("%+v", got)
	}
}

// parkedWrong: a job that isn't forming takes no lines, and then nothing is changed.
func parkedWrong(t *testing.T, s store.Store) {
	b := started(t, s, 1, 2)
	sealed := formed(t, s, b, 1)
	lines := claim(t, s, b, 2)
	parked(t, s, sealed, lines[0])
	ok(t, second(s.Seal(t.Context(), sealed.Number)))
	err := s.Park(t.Context(), []store.Parked{{Job: sealed.Number, Batch: b.Number, Line: lines[1].Number}})
	if !errors.Is(err, store.ErrState) {
		t.Error(err)
	}
	if begun, err := s.Begun(t.Context(), b.Number); err != nil || numbers(begun) != "[2]" {
		t.Errorf("%v %v", begun, err)
	}
}

// jobsArePurged with their batches.
func jobsArePurged(t *testing.T, s store.Store) {
	b := started(t, s, 1, 1)
	j := formed(t, s, b, 1)
	parked(t, s, j, claim(t, s, b, 1)...)
	finish(t, s, b, store.Line{Number: 1}, batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	ok(t, s.EndJob(t.Context(), j.Number))
	ok(t, second(s.Finalize(t.Context(), b.Number, "o", "e", now())))
	ok(t, s.End(t.Context(), b.Number, nil, now()))
	for more := true; more; {
		var err error
		more, err = s.Purge(t.Context(), now().Add(time.Hour), now(), 9)
		ok(t, err)
	}
	if _, err := s.Job(t.Context(), j.Number); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}
