package price_test

import (
	"fmt"
	"math"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/price"
)

const table = `
version: test
builtin: false
prices:
  anthropic:
    claude: {input: 5, cached_input: 0.5, cache_write: 6.25, cache_write_1h: 10, output: 25,
      batch: {input: 2.5, cached_input: 0.25, cache_write: 3.125, cache_write_1h: 5, output: 12.5},
      long_context: {above: 200000, input: 10, cached_input: 1, cache_write: 12.5, cache_write_1h: 20, output: 37.5}}
  openai:
    gpt: {input: 1.25, cached_input: 0.125, output: 10}
    writes: {input: 2, cache_write: 2.5, output: 8}
    thinks: {input: 1, output: 2, reasoning: 3}
    embed: {input: 0.02}
    tiny: {input: 0.000001, output: 0.000001}
    dear: {input: 1000000, output: 1000000}
  vllm:
    "*": {input: 0, output: 0}
`

func parse(t testing.TB, text string) *price.Table {
	t.Helper()
	p, err := price.Parse("prices.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// breakdown is Anthropic's usage.cache_creation.
func breakdown(text string) map[string]string { return map[string]string{"cache_creation": text} }

func TestCost(t *testing.T) {
	t.Parallel()
	prices := parse(t, table)
	for _, test := range []struct {
		name, kind, model string
		usage             *llmv1.TokenUsage
		want              string // US dollars, computed by hand; empty is unknown
	}{
		{"nothing", "openai", "gpt", &llmv1.TokenUsage{}, "0"},
		{"no count", "openai", "gpt", nil, ""},
		// 1000*1.25 + 200*10, in millionths of a dollar
		{"input and output", "openai", "gpt", &llmv1.TokenUsage{InputTokens: 1000, OutputTokens: 200}, "0.00325"},
		// 600*1.25 + 400*0.125 + 200*10
		{"cached is within input", "openai", "gpt", &llmv1.TokenUsage{InputTokens: 1000, CachedInputTokens: 400, OutputTokens: 200}, "0.0028"},
		{"reasoning is within output", "openai", "gpt", &llmv1.TokenUsage{OutputTokens: 200, ReasoningTokens: 150}, "0.002"},
		// 50*2 + 150*3
		{"reasoning at its own price", "openai", "thinks", &llmv1.TokenUsage{OutputTokens: 200, ReasoningTokens: 150}, "0.00055"},
		{"no discount for cached input", "openai", "thinks", &llmv1.TokenUsage{InputTokens: 10, CachedInputTokens: 4}, "0.00001"},
		// 60*2 + 40*2.5
		{"writes without a breakdown", "openai", "writes", &llmv1.TokenUsage{InputTokens: 100, CacheWriteTokens: 40}, "0.00022"},
		{"an hour without a price", "openai", "writes", &llmv1.TokenUsage{InputTokens: 100, CacheWriteTokens: 40, Extensions: breakdown(`{"ephemeral_1h_input_tokens":1}`)}, ""},
		{"an hour where writes cost nothing more", "openai", "gpt", &llmv1.TokenUsage{InputTokens: 100, CacheWriteTokens: 40, Extensions: breakdown(`{"ephemeral_1h_input_tokens":1}`)}, "0.000125"},
		// 100*5 + 1000*0.5 + 300*6.25 + 500*10 + 50*25 = 500 + 500 + 1875 + 5000 + 1250
		{"Anthropic's five minutes and hour", "anthropic", "claude", &llmv1.TokenUsage{
			InputTokens: 1900, CachedInputTokens: 1000, CacheWriteTokens: 800, OutputTokens: 50,
			Extensions: breakdown(`{"ephemeral_5m_input_tokens":300,"ephemeral_1h_input_tokens":500}`),
		}, "0.009125"},
		// the same without a breakdown: 100*5 + 1000*0.5 + 800*6.25 + 50*25
		{"Anthropic's writes, no breakdown", "anthropic", "claude", &llmv1.TokenUsage{
			InputTokens: 1900, CachedInputTokens: 1000, CacheWriteTokens: 800, OutputTokens: 50,
		}, "0.00725"},
		{"a breakdown larger than the whole", "anthropic", "claude", &llmv1.TokenUsage{
			InputTokens: 10, CacheWriteTokens: 10, Extensions: breakdown(`{"ephemeral_1h_input_tokens":99}`),
		}, "0.0001"},
		{"a breakdown that can't be read", "anthropic", "claude", &llmv1.TokenUsage{
			InputTokens: 10, CacheWriteTokens: 10, Extensions: breakdown(`{"ephemeral_1h_input_tokens":"1"}`),
		}, ""},
		{"a breakdown that is absent", "anthropic", "claude", &llmv1.TokenUsage{InputTokens: 10, CacheWriteTokens: 10, Extensions: breakdown("null")}, "0.0000625"},
		// batch: 100*2.5 + 40*3.125 + 10*12.5 with 140 input
		{"batch", "anthropic", "claude", &llmv1.TokenUsage{
			InputTokens: 140, CacheWriteTokens: 40, OutputTokens: 10, Extensions: map[string]string{"service_tier": `"batch"`},
		}, "0.0005"},
		{"the standard tier by name", "anthropic", "claude", &llmv1.TokenUsage{InputTokens: 1, Extensions: map[string]string{"service_tier": `"standard"`}}, "0.000005"},
		{"a tier without a price", "anthropic", "claude", &llmv1.TokenUsage{InputTokens: 1, Extensions: map[string]string{"service_tier": `"priority"`}}, ""},
		{"a tier nobody knows", "anthropic", "claude", &llmv1.TokenUsage{InputTokens: 1, Extensions: map[string]string{"service_tier": `"express"`}}, ""},
		{"at the edge of a long context", "anthropic", "claude", &llmv1.TokenUsage{InputTokens: 200_000, OutputTokens: 1}, "1.000025"},
		// 150001*10 + 50000*1 + 37.5: the whole request at the higher price, cached tokens counted
		{"beyond it", "anthropic", "claude", &llmv1.TokenUsage{InputTokens: 200_001, CachedInputTokens: 50_000, OutputTokens: 1}, "1.5500475"},
		{"output without a price", "openai", "embed", &llmv1.TokenUsage{InputTokens: 1, OutputTokens: 1}, ""},
		{"embeddings", "openai", "embed", &llmv1.TokenUsage{InputTokens: 50}, "0.000001"},
		{"the smallest", "openai", "tiny", &llmv1.TokenUsage{InputTokens: 1}, "0.000000000001"},
		{"the largest", "openai", "dear", &llmv1.TokenUsage{InputTokens: 9_223_372}, "9223372"},
		{"too large", "openai", "dear", &llmv1.TokenUsage{InputTokens: 9_223_373}, ""},
		{"far too large", "openai", "dear", &llmv1.TokenUsage{InputTokens: math.MaxInt64, OutputTokens: math.MaxInt64}, ""},
		{"negative", "openai", "gpt", &llmv1.TokenUsage{InputTokens: 10, OutputTokens: -1}, ""},
		{"parts above the whole", "openai", "gpt", &llmv1.TokenUsage{InputTokens: 8, CachedInputTokens: 80, CacheWriteTokens: 80}, "0.000001"},
		{"free is a price", "vllm", "qwen3-32b", &llmv1.TokenUsage{InputTokens: 10, OutputTokens: 10}, "0"},
		{"an unknown model", "openai", "gpt-99", &llmv1.TokenUsage{InputTokens: 10}, ""},
		{"an unknown kind", "tgi", "gpt", &llmv1.TokenUsage{InputTokens: 10}, ""},
	} {
		pico, version, ok := prices.Cost(test.kind, test.model, test.usage)
		got := ""
		if ok {
			got = price.USD(pico)
		}
		if got != test.want || (version == "test") != ok {
			t.Errorf("%s: %q, want %q (version %q)", test.name, got, test.want, version)
		}
	}
}

// FuzzCost: a cost is never negative, and never less than that of cached input.
func FuzzCost(f *testing.F) {
	f.Add(int64(1900), int64(1000), int64(800), int64(50), int64(5), int64(500))
	f.Add(int64(math.MaxInt64), int64(1), int64(1), int64(math.MaxInt64), int64(1), int64(1))
	prices := parse(f, table)
	f.Fuzz(func(t *testing.T, input, cached, written, output, reasoning, hour int64) {
		u := &llmv1.TokenUsage{
			InputTokens: input, CachedInputTokens: cached, CacheWriteTokens: written, OutputTokens: output, ReasoningTokens: reasoning,
		}
		for _, model := range []string{"gpt", "dear", "thinks"} {
			if pico, _, ok := prices.Cost("openai", model, u); ok && pico < 0 {
				t.Fatalf("%s: %v costs %d", model, u, pico)
			}
		}
		u.Extensions = breakdown(fmt.Sprintf(`{"ephemeral_1h_input_tokens":%d}`, hour))
		pico, _, ok := prices.Cost("anthropic", "claude", u)
		if low := float64(input) * 0.5e6; ok && (pico < 0 || float64(pico) < low*0.999) {
			t.Fatalf("%v costs %d", u, pico)
		}
	})
}
