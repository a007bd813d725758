package upstream

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds what is believed of a provider's wish to be left alone.
const maxWait = 24 * time.Hour

// RetryAfter reads how long a provider wants to be left alone, in any of the spellings in use: retry-after-ms,
// Retry-After in seconds or as a date, OpenAI's x-ratelimit-reset-* as durations (of what has run out) and Anthropic's
// anthropic-ratelimit-*-reset as times. 0 where it doesn't say.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := number(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d
	}
	if value := h.Get("Retry-After"); value != "" {
		if d, ok := number(value, time.Second); ok {
			return d
		}
		if at, err := http.ParseTime(value); err == nil {
			return bounded(at.Sub(now))
		}
	}
	return bounded(exhausted(h, now))
}

// number reads a number of units, fractions included.
func number(s string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) {
		return 0, false
	}
	return time.Duration(max(0, min(n*float64(unit), float64(maxWait)))), true
}

// exhausted is the longest wait among the limits whose remainder is zero.
func exhausted(h http.Header, now time.Time) time.Duration {
	var wait time.Duration
	for name := range h {
		lower := strings.ToLower(name)
		kind, reset, ok := resetOf(lower)
		if !ok || h.Get(name) != "0" {
			continue
		}
		value := h.Get(reset)
		if kind == "openai" {
			wait = max(wait, durationOf(value))
		}
		if at, err := time.Parse(time.RFC3339, value); err == nil && kind == "anthropic" {
			wait = max(wait, at.Sub(now))
		}
	}
	return wait
}

// durationOf reads OpenAI's 6m0s and 120ms, and the plain seconds of others that use its headers; 0 where it is neither.
func durationOf(value string) time.Duration {
	if d, err := time.ParseDuration(value); err == nil {
		return d
	}
	d, _ := number(value, time.Second)
	return d
}

// resetOf names the header that tells when a limit whose remainder a header gives is full again.
func resetOf(name string) (kind, reset string, ok bool) {
	if what, ok := strings.CutPrefix(name, "x-ratelimit-remaining-"); ok {
		return "openai", "x-ratelimit-reset-" + what, true
	}
	if what, ok := strings.CutPrefix(name, "anthropic-ratelimit-"); ok {
		what, ok = strings.CutSuffix(what, "-remaining")
		return "anthropic", "anthropic-ratelimit-" + what + "-reset", ok
	}
	return "", "", false
}

func bounded(d time.Duration) time.Duration { return max(0, min(d, maxWait)) }
