// Package money converts between US dollars, as people write them, and pico-dollars (10^-12 US dollars), as Headgate counts
// them.
package money

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

const (
	// Dollar is one, in pico-dollars.
	Dollar = 1_000_000_000_000
	// micro is the smallest amount that a limit can be given in.
	micro = Dollar / 1_000_000
	// most is what fits into 64 bits, in whole dollars.
	most = math.MaxInt64 / Dollar
)

// ErrAmount says which amounts can be given as a limit.
var ErrAmount = errors.New("must be from 0 to " + strconv.Itoa(most) + " US dollars, with at most six decimals")

// FromUSD returns an amount of dollars, exactly as it is written in decimal: 0.1 is a tenth. It returns ErrAmount for what
// is negative, larger than 9223372 or has more than six decimals.
func FromUSD(usd float64) (pico int64, err error) {
	if math.IsNaN(usd) || usd < 0 || usd > most {
		return 0, ErrAmount
	}
	n := math.Round(usd * 1e6)
	if n/1e6 != usd { // the division is exact to the last bit: it gives usd back where that was written with six decimals
		return 0, ErrAmount
	}
	return int64(n) * micro, nil
}

// ToUSD is the reverse of [FromUSD]. What is smaller than a millionth is cut off.
func ToUSD(pico int64) float64 { return float64(pico/micro) / 1e6 }

// USD writes pico-dollars as dollars, exactly, with at least two decimals: "10.00", "-0.000125".
func USD(pico int64) string {
	sign, n := "", uint64(pico) //nolint:gosec // negative ones are turned around
	if pico < 0 {
		sign, n = "-", -n
	}
	cents := strconv.FormatUint(n%Dollar+Dollar, 10)[1:] // twelve digits
	decimals := cents[:2] + strings.TrimRight(cents[2:], "0")
	return sign + strconv.FormatUint(n/Dollar, 10) + "." + decimals
}
