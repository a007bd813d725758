package queue

import (
	"testing"
	"time"
)

// TestSpare: each refusal takes one place, and calm gives one, two, four back.
func TestSpare(t *testing.T) {
	t.Parallel()
	const most = 16
	at := time.Unix(1000, 0)
	var s spare
	check := func(when string, want int) {
		t.Helper()
		if got := s.within(most); got != want {
			t.Errorf("%s: room for %d, want %d", when, got, want)
		}
	}
	check("at first", 16)
	s.grow(at, most)
	check("at first", 16)
	for range 3 {
		if !s.refuse(at, 12, most) {
			t.Error("no room left")
		}
	}
	check("3 of 12 refused", 9)
	s.grow(at.Add(calm-1), most)
	check("too early", 9)
	for i, want := range []int{10, 12, 16} {
		s.grow(at.Add(time.Duration(i+1)*calm), most)
		check("calm", want)
	}
	if s != (spare{}) {
		t.Errorf("room for all, and yet %+v", s)
	}
	for range 2 {
		s.refuse(at, 2, most)
	}
	check("none left", 1)
	if s.refuse(at, 1, most) {
		t.Error("room left for the only one")
	}
	s.refuse(at, 9, most)
	s.grow(at.Add(calm), most)
	check("a refusal makes it slow again", 2)
	s.grow(at.Add(time.Hour), most)
	check("long after", 16)
}
