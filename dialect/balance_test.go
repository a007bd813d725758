package dialect_test

import (
	"maps"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
)

// TestLimitHeaders: each dialect tells its clients in the form of its own vendor.
func TestLimitHeaders(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	cases := []struct {
		name              string
		balance           dialect.Balance
		openai, anthropic map[string]string
	}{
		{
			"some left",
			dialect.Balance{What: "requests", Limit: 60, Remaining: 12, Reset: 48 * time.Second},
			map[string]string{"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "12", "x-ratelimit-reset-requests": "48s"},
			map[string]string{
				"anthropic-ratelimit-requests-limit": "60", "anthropic-ratelimit-requests-remaining": "12",
				"anthropic-ratelimit-requests-reset": "2026-11-24T12:00:48Z",
			},
		},
		{
			"overrun, and not quite a second",
			dialect.Balance{What: "tokens", Limit: 1000, Remaining: -5, Reset: 1200*time.Millisecond + 1},
			map[string]string{"x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1.2s"},
			map[string]string{
				"anthropic-ratelimit-tokens-limit": "1000", "anthropic-ratelimit-tokens-remaining": "0",
				"anthropic-ratelimit-tokens-reset": "2026-11-24T12:00:02Z",
			},
		},
		{"what the dialects don't count", dialect.Balance{What: "concurrency", Limit: 3}, map[string]string{}, map[string]string{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			gotOpenAI, gotAnthropic := map[string]string{}, map[string]string{}
			openai.LimitHeaders(func(n, v string) { gotOpenAI[n] = v }, c.balance)
			anthropic.LimitHeaders(func(n, v string) { gotAnthropic[n] = v }, c.balance, now)
			if !maps.Equal(gotOpenAI, c.openai) {
				t.Errorf("OpenAI: %v", gotOpenAI)
			}
			if !maps.Equal(gotAnthropic, c.anthropic) {
				t.Errorf("Anthropic: %v", gotAnthropic)
			}
		})
	}
}

// TestBilledParts: what decides the price reaches the ledger with the count, and nothing does where the price is the usual.
func TestBilledParts(t *testing.T) {
	t.Parallel()
	claude := func(usage string) string {
		return `{"type":"message","content":[],"usage":{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":9` + usage + `}}`
	}
	gpt := func(tier string) string {
		return `{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}` + tier + `}`
	}
	cases := []struct {
		name, body string
		read       func([]byte) (dialect.Reading, error)
		want       map[string]string
	}{
		{"Anthropic, plain", claude(`,"cache_creation":{"ephemeral_5m_input_tokens":9,"ephemeral_1h_input_tokens":0},"service_tier":"standard"`), anthropic.ReadResponse, nil},
		{"Anthropic, an hour in the cache", claude(`,"cache_creation":{"ephemeral_1h_input_tokens":9}`), anthropic.ReadResponse, map[string]string{"cache_creation": `{"ephemeral_1h_input_tokens":9}`}},
		{"Anthropic, priority", claude(`,"service_tier":"priority"`), anthropic.ReadResponse, map[string]string{"service_tier": `"priority"`}},
		{"OpenAI, default", gpt(`,"service_tier":"default"`), openai.ReadResponse, nil},
		{"OpenAI, flex", gpt(`,"service_tier":"flex"`), openai.ReadResponse, map[string]string{"service_tier": `"flex"`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := c.read([]byte(c.body))
			if err != nil || !maps.Equal(r.Usage.GetExtensions(), c.want) {
				t.Errorf("%v %v", err, r.Usage)
			}
		})
	}
}
