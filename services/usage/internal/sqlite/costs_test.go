package sqlite

import (
	"errors"
	"maps"
	"math"
	"testing"
)

func TestCosts(t *testing.T) {
	t.Parallel()
	want := costs{
		{day: 0}: 0,
		{day: 20_000, tenant: "acme", keyID: "k"}:           math.MaxInt64,
		{day: math.MaxInt64, tenant: "a\x00b", keyID: "名前"}: 1,
	}
	got, text := make(costs), want.encode()
	if err := got.decode(text); err != nil || !maps.Equal(got, want) {
		t.Fatalf("%v: %v", got, err)
	}
	whole := 0
	for n := range text {
		if err := make(costs).decode(text[:n]); err == nil {
			whole++ // cut between two
		} else if !errors.Is(err, errCosts) {
			t.Error(err)
		}
	}
	if whole != len(want) {
		t.Errorf("%d of the texts cut short were taken, want %d", whole, len(want))
	}
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0, 0} // a day of 2^64-1
	if err := make(costs).decode(huge); !errors.Is(err, errCosts) {
		t.Error(err)
	}
}

// FuzzCosts takes any bytes: they are refused, or come to costs that aren't below zero.
func FuzzCosts(f *testing.F) {
	f.Add(costs{{day: 1, tenant: "acme", keyID: "k"}: 5}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		c := make(costs)
		if err := c.decode(b); err != nil {
			return
		}
		for at, n := range c {
			if at.day < 0 || n < 0 {
				t.Errorf("%v: %d", at, n)
			}
		}
		again := make(costs)
		if err := again.decode(c.encode()); err != nil || !maps.Equal(c, again) {
			t.Errorf("%v, again %v: %v", c, again, err)
		}
	})
}

func TestWhole(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ high, low, want int64 }{
		{0, 0, 0},
		{1, 1, 1_000_001},
		{1, 2_000_003, 3_000_003},
		{9_223_372_036_854, 775_807, math.MaxInt64},
		{9_223_372_036_854, 775_806, math.MaxInt64 - 1},
		{9_223_372_036_854, 775_808, math.MaxInt64},
		{9_223_372_036_855, 0, math.MaxInt64},
		{9_223_372_036_853, 1_775_808, math.MaxInt64},
		{math.MaxInt64 / 2, math.MaxInt64 / 2, math.MaxInt64},
	} {
		if got := whole(test.high, test.low); got != test.want {
			t.Errorf("%d and %d: %d, want %d", test.high, test.low, got, test.want)
		}
	}
}
