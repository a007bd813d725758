package breaker

import (
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	b := New(func() time.Time { return now })
	fail := func(n int) {
		for range n {
			if !b.Allow() {
				t.Fatal("refused too early")
			}
			b.Failure()
		}
	}
	fail(after - 1)
	b.Success()
	fail(after)
	if b.Allow() {
		t.Error("open after five failures in a row")
	}
	for _, pause := range []time.Duration{first, 2 * first, 4 * first} {
		now = now.Add(pause - 1)
		if b.Allow() {
			t.Errorf("asked again before %v", pause)
		}
		now = now.Add(1)
		if !b.Allow() || b.Allow() {
			t.Errorf("after %v one call tries, and one only", pause)
		}
		b.Failure()
	}
	now = now.Add(longest)
	if !b.Allow() {
		t.Error("a pause has an end")
	}
	b.Forget()
	if !b.Allow() {
		t.Error("a probe whose caller left leaves room for another")
	}
	b.Success()
	fail(after - 1)
}
