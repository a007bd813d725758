package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// reservedIn parks lines for which money is reserved.
func reservedIn(t *testing.T, s store.Store, j store.Job, lines ...store.Line) {
	t.Helper()
	var list []store.Parked
	for _, l := range lines {
		list = append(list, store.Parked{
			Job: j.Number, Batch: j.Batch, Line: l.Number, Context: fmt.Appendf(nil, "r%d", l.Number), Body: []byte("b"), Reserved: true,
		})
	}
	ok(t, s.Park(t.Context(), list))
}

func holds(t *testing.T, s store.Store) []store.Hold {
	t.Helper()
	list, err := s.Holds(t.Context(), 0, 100)
	ok(t, err)
	return list
}

// heldLines are the lines of all holds, which all are of a batch, and complete.
func heldLines(t *testing.T, s store.Store, b store.Batch, jobs ...store.Job) string {
	t.Helper()
	known := map[string]time.Time{}
	for _, j := range jobs {
		known[j.ID] = j.Formed
	}
	var lines []int64
	for _, h := range holds(t, s) {
		formed, one := known[h.Job]
		if h.Batch != b.ID || h.KeyID != b.KeyID || h.Tenant != b.Tenant || !one || !h.Since.Equal(formed) || string(h.Context) != fmt.Sprint("r", h.Line) {
			t.Errorf("%+v", h)
		}
		lines = append(lines, h.Line)
	}
	return fmt.Sprint(lines)
}

func holdsComeBack(t *testing.T, s store.Store) {
	var want []store.Hold
	for n := range int64(5) {
		want = append(want, store.Hold{
			Batch: "b", Job: "j", KeyID: "k", Tenant: "t", Line: n, Context: []byte{0, byte(n)}, Since: now().Add(time.Duration(n) * time.Second),
		})
	}
	ok(t, s.AddHolds(t.Context(), want[:2]))
	ok(t, s.AddHolds(t.Context(), want[2:]))
	got := holds(t, s)
	for i := range got {
		want[i].Number = got[i].Number
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v", got)
	}
	if page, err := s.Holds(t.Context(), got[1].Number, 2); err != nil || !reflect.DeepEqual(page, want[2:4]) {
		t.Errorf("%+v %v", page, err)
	}
	ok(t, s.DropHolds(t.Context(), []int64{got[1].Number, got[3].Number, got[4].Number + 1}))
	if n, err := s.ExpireHolds(t.Context(), now().Add(2*time.Second)); err != nil || n != 1 {
		t.Errorf("%d %v", n, err)
	}
	if left := holds(t, s); !reflect.DeepEqual(left, []store.Hold{want[2], want[4]}) {
		t.Errorf("%+v", left)
	}
}

// heldByRefusedJobs: the lines that are asked live wait for what is given back, and those with results hold nothing.
func heldByRefusedJobs(t *testing.T, s store.Store) {
	b := started(t, s, 1, 4)
	j, plain := formed(t, s, b, 1), formed(t, s, b, 2)
	lines := claim(t, s, b, 4)
	reservedIn(t, s, j, lines[:3]...)
	parked(t, s, plain, lines[3])
	finish(t, s, b, store.Line{Number: 2}, batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	for range 2 {
		ok(t, s.Refuse(t.Context(), j.Number, now()))
		ok(t, s.Refuse(t.Context(), plain.Number, now()))
	}
	if got := heldLines(t, s, b, j); got != "[1 3]" {
		t.Errorf("held for %s", got)
	}
	if got := numbers(claim(t, s, b, 9)); got != "[4]" {
		t.Errorf("due now: %s", got)
	}
	late, err := s.Claim(t.Context(), b.Number, 9, now().Add(store.HoldFirst))
	if ok(t, err); numbers(late) != "[1 3]" || !late[0].Live {
		t.Errorf("due later: %+v", late)
	}
}

// heldByEndedJobs: what ends with its batch is held, what may be at a provider isn't.
func heldByEndedJobs(t *testing.T, s store.Store) {
	for n, end := range []func(store.Batch) error{
		func(b store.Batch) error { return second(s.Cancel(t.Context(), b.ID, now())) },
		func(b store.Batch) error { return second(s.Expire(t.Context(), b.Number)) },
	} {
		b := started(t, s, n, 5)
		forming, untried, tried, plain := formed(t, s, b, 1), formed(t, s, b, 2), formed(t, s, b, 3), formed(t, s, b, 4)
		lines := claim(t, s, b, 5)
		reservedIn(t, s, forming, lines[0])
		reservedIn(t, s, untried, lines[1], lines[2])
		reservedIn(t, s, tried, lines[3])
		parked(t, s, plain, lines[4])
		for _, j := range []store.Job{untried, tried} {
			ok(t, second(s.Seal(t.Context(), j.Number)))
		}
		ok(t, s.Try(t.Context(), tried.Number, now()))
		for range 2 {
			ok(t, end(b))
		}
		if got := heldLines(t, s, b, forming, untried); got != "[1 2 3]" {
			t.Errorf("%d: held for %s", n, got)
		}
		ok(t, second(s.ExpireHolds(t.Context(), now().Add(time.Hour))))
	}
}

// heldTooLate: a line of a batch that is cancelling isn't parked, and holds what is reserved, once.
func heldTooLate(t *testing.T, s store.Store) {
	b := started(t, s, 1, 3)
	j := formed(t, s, b, 1)
	lines := claim(t, s, b, 3)
	ok(t, second(s.Cancel(t.Context(), b.ID, now())))
	for range 2 {
		reservedIn(t, s, j, lines[:2]...)
	}
	parked(t, s, j, lines[2])
	if got := heldLines(t, s, b, j); got != "[1 2]" {
		t.Errorf("held for %s", got)
	}
	if got := read(t, s, b).Counts.Cancelled; got != 3 {
		t.Errorf("%d cancelled", got)
	}
}

// holdsOutliveTheirBatch: who deletes a batch gets its money back all the same.
func holdsOutliveTheirBatch(t *testing.T, s store.Store) {
	b := started(t, s, 1, 1)
	j := formed(t, s, b, 1)
	reservedIn(t, s, j, claim(t, s, b, 1)...)
	ok(t, second(s.Cancel(t.Context(), b.ID, now())))
	ok(t, second(s.Finalize(t.Context(), b.Number, "o", "e", now())))
	ok(t, s.End(t.Context(), b.Number, nil, now()))
	ok(t, s.DeleteBatch(t.Context(), b.ID, now()))
	for more := true; more; {
		var err error
		more, err = s.Purge(t.Context(), now(), now(), 9)
		ok(t, err)
	}
	if got := heldLines(t, s, b, j); got != "[1]" {
		t.Errorf("held for %s", got)
	}
}
