package money_test

import (
	"errors"
	"math"
	"strconv"
	"testing"

	"github.com/headgate-mesh/headgate/kit/money"
)

func TestFromUSD(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		usd  float64
		want int64
		ok   bool
	}{
		{"nothing", 0, 0, true},
		{"a tenth, which no float64 is", 0.1, 100_000_000_000, true},
		{"the smallest", 0.000001, 1_000_000, true},
		{"six decimals", 1234567.890123, 1_234_567_890_123_000_000, true},
		{"the largest", 9223372, 9_223_372_000_000_000_000, true},
		{"larger", 9223372.000001, 0, false},
		{"seven decimals", 0.0000001, 0, false},
		{"seven decimals of much", 1000000.0000001, 0, false},
		{"not quite a tenth", 0.1 + 1e-15, 0, false},
		{"negative", -0.01, 0, false},
		{"not a number", math.NaN(), 0, false},
		{"infinite", math.Inf(1), 0, false},
	} {
		got, err := money.FromUSD(c.usd)
		if got != c.want || (err == nil) != c.ok || (err != nil && !errors.Is(err, money.ErrAmount)) {
			t.Errorf("%s: %d, %v", c.name, got, err)
		}
		if back := money.ToUSD(got); c.ok && back != c.usd {
			t.Errorf("%s: back to %v", c.name, back)
		}
	}
}

func TestUSD(t *testing.T) {
	t.Parallel()
	for pico, want := range map[int64]string{
		0: "0.00", money.Dollar: "1.00", 10 * money.Dollar: "10.00", 10_020_000_000_000: "10.02", 1: "0.000000000001",
		-125_000_000: "-0.000125", 500_000_000_000: "0.50", math.MaxInt64: "9223372.036854775807", math.MinInt64: "-9223372.036854775808",
	} {
		if got := money.USD(pico); got != want {
			t.Errorf("%d: %s, want %s", pico, got, want)
		}
	}
}

// FuzzFromUSD: what is written with six decimals is understood to the last digit.
func FuzzFromUSD(f *testing.F) {
	f.Add(int64(1))
	f.Add(int64(9_223_372_000_000))
	f.Fuzz(func(t *testing.T, micros int64) {
		if micros < 0 || micros > 9_223_372_000_000 {
			return
		}
		text := money.USD(micros * 1_000_000)
		usd, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := money.FromUSD(usd); err != nil || got != micros*1_000_000 {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	})
}
