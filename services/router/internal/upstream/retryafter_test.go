package upstream

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		header map[string]string
		want   time.Duration
	}{
		"nothing":             {nil, 0},
		"milliseconds":        {map[string]string{"Retry-After-Ms": "1500.5", "Retry-After": "9"}, 1500500 * time.Microsecond},
		"seconds":             {map[string]string{"Retry-After": "7"}, 7 * time.Second},
		"fractions":           {map[string]string{"Retry-After": "0.25"}, 250 * time.Millisecond},
		"a date":              {map[string]string{"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30 * time.Second},
		"a date gone by":      {map[string]string{"Retry-After": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0},
		"negative":            {map[string]string{"Retry-After": "-5"}, 0},
		"not a number":        {map[string]string{"Retry-After": "soon"}, 0},
		"absurd":              {map[string]string{"Retry-After": "1e9"}, maxWait},
		"infinite":            {map[string]string{"Retry-After": "Inf"}, maxWait},
		"beyond any number":   {map[string]string{"Retry-After-Ms": "1e300"}, maxWait},
		"no number at all":    {map[string]string{"Retry-After": "NaN"}, 0},
		"plain seconds":       {map[string]string{"X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": "60"}, time.Minute},
		"OpenAI, used up":     {map[string]string{"X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": "6m0s"}, 6 * time.Minute},
		"OpenAI, some left":   {map[string]string{"X-Ratelimit-Remaining-Tokens": "12", "X-Ratelimit-Reset-Tokens": "6m0s"}, 0},
		"OpenAI, the longest": {map[string]string{"X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": "120ms", "X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Reset-Requests": "2s"}, 2 * time.Second},
		"Anthropic, used up":  {map[string]string{"Anthropic-Ratelimit-Input-Tokens-Remaining": "0", "Anthropic-Ratelimit-Input-Tokens-Reset": "2026-11-23T12:00:17Z"}, 17 * time.Second},
	} {
		h := http.Header{}
		for k, v := range c.header {
			h.Set(k, v)
		}
		if got := RetryAfter(h, now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
