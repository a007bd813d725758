package price

import (
	"errors"
	"strconv"
	"strings"
)

// Rate is a price in pico-dollars (10^-12 US dollars) a token; written, it is US dollars per million tokens.
type Rate int64

const (
	decimals = 6
	// perMillion is one dollar per million tokens.
	perMillion = 1_000_000
	// maxDollars bounds a figure; the dearest model costs 600 dollars per million tokens.
	maxDollars = 1_000_000
)

var (
	errFigure  = errors.New("has to be US dollars per million tokens, such as 1.25")
	errPrecise = errors.New("must have at most six decimals")
	errDear    = errors.New("must be at most 1000000 US dollars per million tokens")
)

// UnmarshalText reads "1.25", digit by digit: what can't be kept exactly is refused.
func (r *Rate) UnmarshalText(text []byte) error {
	whole, fraction, dotted := strings.Cut(string(text), ".")
	if !digits(whole) || (dotted && !digits(fraction)) {
		return errFigure
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > decimals {
		return errPrecise
	}
	dollars, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || dollars > maxDollars {
		return errDear
	}
	micros, err := strconv.ParseInt(fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	if err != nil {
		return errFigure
	}
	*r = Rate(dollars*perMillion + micros)
	return nil
}

// digits reports whether s is one digit or more.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// String writes US dollars per million tokens: "1.25".
func (r Rate) String() string { return decimal(int64(r), decimals) }

// MarshalText writes what String returns.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
