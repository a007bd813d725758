package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

func claim(t *testing.T, s store.Store, b store.Batch, n int) []store.Line {
	t.Helper()
	lines, err := s.Claim(t.Context(), b.Number, n, now())
	ok(t, err)
	return lines
}

func finish(t *testing.T, s store.Store, b store.Batch, l store.Line, o batchv1.LineOutcome) {
	t.Helper()
	ok(t, s.Finish(t.Context(), []store.Result{{
		Batch: b.Number, Line: l.Number, Outcome: o, HTTPStatus: 200, Body: fmt.Appendf(nil, `"%d"`, l.Number),
		Usage: store.Usage{Input: 5, Cached: 4, Written: 3, Output: 2, Reasoning: 1},
	}}))
}

func numbers(lines []store.Line) string {
	var list []int64
	for _, l := range lines {
		list = append(list, l.Number)
	}
	return fmt.Sprint(list)
}

func claimedOnce(t *testing.T, s store.Store) {
	b := started(t, s, 1, 5)
	lines := claim(t, s, b, 2)
	if numbers(lines) != "[1 2]" || lines[1] != (store.Line{Number: 2, CustomID: "x2", At: 10, Size: 7, Begun: now()}) {
		t.Errorf("%+v", lines)
	}
	if got := numbers(claim(t, s, b, 9)); got != "[3 4 5]" {
		t.Errorf("%v", got)
	}
	if got := claim(t, s, b, 9); len(got) > 0 {
		t.Errorf("%v", got)
	}
	begun, err := s.Begun(t.Context(), b.Number)
	if err != nil || numbers(begun) != "[1 2 3 4 5]" || begun[1] != lines[1] {
		t.Errorf("%v %v", begun, err)
	}
	if early := made(t, s, 2); len(claim(t, s, early, 1)) > 0 {
		t.Error("a batch that isn't in progress has lines")
	}
}

func claimedOnceConcurrently(t *testing.T, s store.Store) {
	const n = 200
	b := started(t, s, 1, n)
	var mu sync.Mutex
	seen := map[int64]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				lines, err := s.Claim(t.Context(), b.Number, 7, now())
				if err != nil || len(lines) == 0 {
					return
				}
				mu.Lock()
				for _, l := range lines {
					seen[l.Number]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for i := range int64(n) {
		if seen[i+1] != 1 {
			t.Errorf("line %d was claimed %d times", i+1, seen[i+1])
		}
	}
}

func released(t *testing.T, s store.Store) {
	b := started(t, s, 1, 3)
	claim(t, s, b, 2)
	ok(t, s.Release(t.Context(), []store.Wait{
		{Batch: b.Number, Line: 1, Due: now().Add(time.Minute), Tries: 4},
		{Batch: b.Number, Line: 3, Due: now().Add(time.Minute)}, // waits already
	}))
	n, due, err := s.Waiting(t.Context(), b.Number)
	if err != nil || n != 2 || !due.IsZero() {
		t.Errorf("%d %v %v", n, due, err)
	}
	if got := numbers(claim(t, s, b, 9)); got != "[3]" {
		t.Errorf("%v", got)
	}
	if n, due, err := s.Waiting(t.Context(), b.Number); err != nil || n != 1 || !due.Equal(now().Add(time.Minute)) {
		t.Errorf("%d %v %v", n, due, err)
	}
	fresh := started(t, s, 2, 3)
	claim(t, s, fresh, 2)
	ok(t, s.Release(t.Context(), []store.Wait{{Batch: fresh.Number, Line: 2, Due: now()}, {Batch: fresh.Number, Line: 1, Due: now().Add(1)}}))
	if got := numbers(claim(t, s, fresh, 1)); got != "[2]" {
		t.Errorf("%v", got)
	}
	lines, err := s.Claim(t.Context(), b.Number, 9, now().Add(time.Minute))
	if err != nil || numbers(lines) != "[1]" || lines[0].Tries != 4 {
		t.Errorf("%v %v", lines, err)
	}
	if n, _, err := s.Waiting(t.Context(), b.Number); err != nil || n != 0 {
		t.Errorf("%d %v", n, err)
	}
}

func doneOnce(t *testing.T, s store.Store) {
	b := started(t, s, 1, 2)
	line := claim(t, s, b, 1)[0]
	for range 2 {
		finish(t, s, b, line, batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	}
	finish(t, s, b, store.Line{Number: 2}, batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED) // not begun
	ok(t, s.Release(t.Context(), []store.Wait{{Batch: b.Number, Line: 1, Due: now()}}))
	b = read(t, s, b)
	if b.Counts != (store.Counts{Total: 2, Completed: 1}) || b.Usage != (store.Usage{Input: 5, Cached: 4, Written: 3, Output: 2, Reasoning: 1}) {
		t.Errorf("%+v", b)
	}
	if got := numbers(claim(t, s, b, 9)); got != "[2]" {
		t.Errorf("%v", got)
	}
}

func resultsInOrder(t *testing.T, s store.Store) {
	b := started(t, s, 1, 4)
	lines := claim(t, s, b, 3)
	finish(t, s, b, lines[2], batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	finish(t, s, b, lines[0], batchv1.LineOutcome_LINE_OUTCOME_ERRORED)
	ok(t, second(s.Cancel(t.Context(), b.ID, now())))
	list, err := s.Results(t.Context(), b.Number, 0, 10, 1<<20)
	if err != nil || len(list) != 3 {
		t.Fatalf("%v %v", list, err)
	}
	if r := list[0]; r.Line != 1 || r.CustomID != "x1" || r.Outcome != batchv1.LineOutcome_LINE_OUTCOME_ERRORED || r.HTTPStatus != 200 || string(r.Body) != `"1"` {
		t.Errorf("%+v", r)
	}
	if r := list[2]; list[1].Line != 3 || r.Line != 4 || r.Outcome != batchv1.LineOutcome_LINE_OUTCOME_CANCELLED || len(r.Body) > 0 || r.HTTPStatus != 0 {
		t.Errorf("%+v", r)
	}
}

func pagesOfResults(t *testing.T, s store.Store) {
	b := started(t, s, 1, 5)
	for _, l := range claim(t, s, b, 5) {
		ok(t, s.Finish(t.Context(), []store.Result{{Batch: b.Number, Line: l.Number, Outcome: batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED, Body: make([]byte, 100)}}))
	}
	for _, test := range []struct {
		after int64
		limit int
		bytes int64
		want  int
	}{{0, 10, 1 << 20, 5}, {0, 2, 1 << 20, 2}, {3, 10, 1 << 20, 2}, {0, 10, 1, 1}, {0, 10, 150, 2}, {5, 10, 1, 0}} {
		list, err := s.Results(t.Context(), b.Number, test.after, test.limit, test.bytes)
		if err != nil || len(list) != test.want || (len(list) > 0 && list[0].Line != test.after+1) {
			t.Errorf("%+v: %d %v", test, len(list), err)
		}
	}
}

func apart(t *testing.T, s store.Store) {
	a, b := started(t, s, 1, 2), started(t, s, 2, 3)
	finish(t, s, a, claim(t, s, a, 1)[0], batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	if n, _, err := s.Waiting(t.Context(), b.Number); err != nil || n != 3 {
		t.Errorf("%d %v", n, err)
	}
	if begun, err := s.Begun(t.Context(), b.Number); err != nil || len(begun) > 0 {
		t.Errorf("%v %v", begun, err)
	}
	if list, err := s.Results(t.Context(), b.Number, 0, 9, 99); err != nil || len(list) > 0 {
		t.Errorf("%v %v", list, err)
	}
	if b = read(t, s, b); b.Counts.Completed != 0 {
		t.Errorf("%+v", b)
	}
	if list, err := s.Open(t.Context()); err != nil || len(list) != 2 || list[0].Number != a.Number {
		t.Errorf("%v %v", list, err)
	}
}
