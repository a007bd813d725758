package conf

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written as "5s", "1m30s" or "250ms", never negative. Plain time.Duration fields
// are read the same way.
type Duration time.Duration

// Std returns the value as time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes it as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes it as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "5s".
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return 0, errors.New("has to be a duration such as 5s, 250ms or 1m30s")
	}
	return v, nil
}

// Bytes is a size that is written as "10MiB", "64KB" or a plain number of bytes.
type Bytes int64

// unit is a suffix and its factor.
type unit struct {
	suffix string
	factor int64
}

// units is ordered so that a suffix comes before those that end like it.
func units() []unit {
	return []unit{
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"TiB", 1 << 40},
		{"KB", 1e3},
		{"kB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"TB", 1e12},
		{"B", 1},
	}
}

// UnmarshalText reads "10MiB".
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, factor := string(text), int64(1)
	for _, u := range units() {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/factor { //nolint:gosec // 63 bits fit
		return errors.New("has to be a size such as 10MiB, 64KB or a number of bytes")
	}
	*b = Bytes(int64(n) * factor) //nolint:gosec // 63 bits fit, and the product was checked
	return nil
}

// String writes the size in the largest binary unit that leaves a whole number.
func (b Bytes) String() string {
	for _, u := range []unit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b != 0 && int64(b)%u.factor == 0 {
			return strconv.FormatInt(int64(b)/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalText writes what String returns.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
