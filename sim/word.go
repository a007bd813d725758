package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setter applies one word's value to a plan.
type setter = func(*plan, string) error

// pause is a delay of the script.
type pause = time.Duration

// longest bounds a delay, so that a slip of the pen doesn't hold a connection for days.
const longest = time.Hour

// number is a word with a whole number between lo and hi.
func number(lo, hi int, at func(*plan) *int) setter {
	return func(p *plan, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < lo || n > hi {
			return fmt.Errorf("%q is not a whole number from %d to %d", v, lo, hi)
		}
		*at(p) = n
		return nil
	}
}

// delay is a word with a Go duration, such as 200ms.
func delay(at func(*plan) *pause) setter {
	return func(p *plan, v string) error {
		d, err := duration(v)
		if err == nil {
			*at(p) = d
		}
		return err
	}
}

func duration(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > longest {
		return 0, fmt.Errorf("%q is not a duration from 0s to %s, such as 200ms", v, longest)
	}
	return d, nil
}

// slow takes the pause between two bytes; without a value it is a millisecond.
func slow(p *plan, v string) error {
	if v == "" {
		v = "1ms"
	}
	d, err := duration(v)
	if err == nil {
		p.slow, p.dribble = true, d
	}
	return err
}

// flag is a word that stands alone.
func flag(at func(*plan) *bool) setter {
	return func(p *plan, v string) error {
		*at(p) = true
		return bare(v)
	}
}

// toggle is a word that is on or off; alone it is on.
func toggle(at func(*plan) *bool) setter {
	check := oneOf("on", "off")
	return func(p *plan, v string) error {
		if v == "" {
			v = "on"
		}
		*at(p) = v == "on"
		return check(v)
	}
}

// text is a word whose value is kept as it is written.
func text(check func(string) error, at func(*plan) *string) setter {
	return func(p *plan, v string) error {
		*at(p) = v
		return check(v)
	}
}

func oneOf(allowed ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(allowed, v) {
			return nil
		}
		return fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
	}
}

// garbage names the content type of the nonsense; without a value it is html.
func garbage(p *plan, v string) error {
	if v == "" {
		v = "html"
	}
	p.garbage = v
	return oneOf("html", "text")(v)
}

// seconds checks the value of a retry hint: a number, not negative, that goes into the header as written.
func seconds(v string) error {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !(f >= 0 && f < 1e9) {
		return fmt.Errorf("%q is not a number that can be waited for", v)
	}
	return nil
}

// kvCache is a share, from 0 to 1.
func kvCache(p *plan, v string) error {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("%q is not a number from 0 to 1", v)
	}
	p.kvCache = f
	return nil
}
