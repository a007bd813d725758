package adapter

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds what is believed of a provider's wish to be left alone.
const maxWait = 24 * time.Hour

// retryAfter reads how long a provider wants to be left alone, in any of the spellings in use: retry-after-ms,
// Retry-After in seconds or as a date, OpenAI's x-ratelimit-reset-* as durations (of what has run out) and Anthropic's
// anthropic-ratelimit-*-reset as times. 0 where it doesn't say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		return bounded(time.Duration(ms * float64(time.Millisecond)))
	}
	if value := h.Get("Retry-After"); value != "" {
		if s, err := strconv.ParseFloat(value, 64); err == nil {
			return bounded(time.Duration(s * float64(time.Second)))
		}
		if at, err := http.ParseTime(value); err == nil {
			return bounded(at.Sub(now))
		}
	}
	return bounded(exhausted(h, now))
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
		if d, err := time.ParseDuration(value); err == nil && kind == "openai" {
			wait = max(wait, d)
		}
		if at, err := time.Parse(time.RFC3339, value); err == nil && kind == "anthropic" {
			wait = max(wait, at.Sub(now))
		}
	}
	return wait
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
