package price_test

import (
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/price"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	prices := parse(t, `
version: mine
prices:
  openai:
    gpt-5: {input: 9}
    gpt-x: {input: 1, aliases: [gpt-y, "gpt-z*"]}
    gpt-x-2025-01-01: {input: 2}
    "gpt-*": {input: 3}
    "gpt-long-*": {input: 4}
`)
	for _, test := range []struct{ model, version, input string }{
		{"gpt-5", "mine", "9"},
		{"gpt-5-2025-08-07", "mine", "9"},
		{"gpt-5-20250807", "mine", "9"},
		{"gpt-5@20250807", "mine", "9"},
		{"gpt-x", "mine", "1"},
		{"gpt-y", "mine", "1"},
		{"gpt-zz", "mine", "1"},
		{"gpt-x-2025-01-01", "mine", "2"},
		{"gpt-x-2025-01-02", "mine", "1"},
		{"gpt-x-2025-1-02", "mine", "3"},
		{"gpt-long-1", "mine", "4"},
		{"gpt-long", "mine", "3"},
		{"o3", price.Builtin().Version(), "2"}, // not in the file: the built-in table's
		{"o3-2025-04-16", price.Builtin().Version(), "2"},
		{"o9", "", ""},
		{"", "", ""},
		{"-2025-01-01", "", ""},
	} {
		p, ok := prices.Lookup("openai", test.model)
		got := ""
		if ok {
			pico, _ := p.Cost(&llmv1.TokenUsage{InputTokens: 1_000_000}, price.Standard)
			got = price.USD(pico)
		}
		if got != test.input || (ok && p.Version() != test.version) {
			t.Errorf("%s: %q, want %q of %q", test.model, got, test.input, test.version)
		}
	}
	var none *price.Table
	if _, ok := none.Lookup("openai", "gpt-5"); ok {
		t.Error("no table has a price")
	}
}

// TestEntriesReplaceWhole: an operator's entry takes nothing over from the built-in one, so that no two prices are mixed.
func TestEntriesReplaceWhole(t *testing.T) {
	t.Parallel()
	prices := parse(t, "version: mine\nprices: {openai: {gpt-5: {input: 1}}}")
	in, out := &llmv1.TokenUsage{InputTokens: 1}, &llmv1.TokenUsage{InputTokens: 1, OutputTokens: 1}
	if _, _, known := price.Builtin().CostIn("openai", "gpt-5", price.Batch, out); !known {
		t.Fatal("the built-in table has no batch price")
	}
	for name, test := range map[string]struct {
		tier  price.Tier
		usage *llmv1.TokenUsage
		known bool
	}{"input": {price.Standard, in, true}, "output": {price.Standard, out, false}, "batch": {price.Batch, in, false}} {
		if _, _, known := prices.CostIn("openai", "gpt-5", test.tier, test.usage); known != test.known {
			t.Errorf("%s: known is %v", name, known)
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	prices := parse(t, "version: mine\nprices: {vllm: {\"*\": {input: 1}}}")
	u := &llmv1.TokenUsage{InputTokens: 100, OutputTokens: 10}
	for _, model := range []string{"gpt-5", "gpt-5-2025-08-07", "nobody-knows-it"} {
		if n := testing.AllocsPerRun(100, func() { prices.Cost("openai", model, u) }); n > 0 {
			t.Errorf("%s: %v allocations", model, n)
		}
	}
}

func TestRefusedTables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, entry, want string }{
		{"no input", "{output: 1}", "prices.openai.m.input: is required"},
		{"dear cache", "{input: 1, cached_input: 1.1}", "prices.openai.m.cached_input: must not be more than input"},
		{"cheap hour", "{input: 15, cache_write: 18.75, cache_write_1h: 6}", "prices.openai.m.cache_write_1h: must not be less than cache_write"},
		{"hour alone", "{input: 15, cache_write_1h: 6}", "prices.openai.m.cache_write_1h: needs cache_write"},
		{"reasoning alone", "{input: 15, reasoning: 6}", "prices.openai.m.reasoning: needs output"},
		{"within batch", "{input: 1, batch: {input: 1, cached_input: 2}}", "prices.openai.m.batch.cached_input: must not"},
		{"within long context", "{input: 1, long_context: {above: 1, input: 1, cached_input: 2}}", "prices.openai.m.long_context.cached_input: must not"},
		{"no threshold", "{input: 1, long_context: {input: 1}}", "prices.openai.m.long_context.above: has to be"},
		{"seven decimals", "{input: 0.0000001}", "prices.openai.m.input: must have at most six decimals"},
		{"an exponent", "{input: 1e-3}", "prices.openai.m.input: has to be US dollars per million tokens"},
		{"negative", "{input: -1}", "prices.openai.m.input: has to be US dollars"},
		{"words", "{input: cheap}", "prices.openai.m.input: has to be US dollars"},
		{"no digits", "{input: 1.}", "prices.openai.m.input: has to be US dollars"},
		{"not a number", "{input: .nan}", "prices.openai.m.input: has to be US dollars"},
		{"too dear", "{input: 1000001}", "prices.openai.m.input: must be at most"},
		{"far too dear", "{input: 99999999999999999999}", "prices.openai.m.input: must be at most"},
		{"misspelt", "{inptu: 1}", "prices.openai.m.inptu: unknown field; did you mean input?"},
		{"a name twice", "{input: 1, aliases: [m]}", "prices.openai.m.aliases: hold a name"},
		{"an empty alias", `{input: 1, aliases: [""]}`, "prices.openai.m.aliases: must not hold an empty name"},
	} {
		_, err := price.Parse("p.yaml", []byte("version: 1\nprices:\n  openai:\n    m: "+test.entry))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
	for text, want := range map[string]string{
		"prices: {}": "version: has to be",
		"version: 1\nprices:\n  openia: {m: {input: 1}}":      "p.yaml:3: prices.openia: isn't a kind of provider; did you mean openai?",
		"version: 1\nprices: {claude: {m: {input: 1}}}":       "isn't a kind of provider; known are openai, anthropic, vllm, tgi, openai_compatible, grpc",
		"version: 1\nprices: {openai: {\"a*b\": {input: 1}}}": "may have a star at its end only",
	} {
		if _, err := price.Parse("p.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "prices.yaml")
	if _, err := price.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("version: mine\nbuiltin: false\nprices: {tgi: {m: {input: 0.5}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	prices, err := price.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := prices.Lookup("tgi", "m"); !ok || prices.Version() != "mine" {
		t.Error("the file's price is missing")
	}
	if _, ok := prices.Lookup("openai", "gpt-5"); ok {
		t.Error("the built-in table was asked")
	}
}

func TestBuiltin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, model, want string }{
		{"openai", "gpt-5-2025-08-07", "11.25"},
		{"openai", "gpt-4o-2024-05-13", "20"},
		{"openai", "gpt-4o-2024-08-06", "12.5"},
		{"openai", "gpt-3.5-turbo-0613", "3.5"},
		{"openai", "o4-mini", "5.5"},
		{"anthropic", "claude-opus-4-6-20260205", "30"},
		{"anthropic", "claude-opus-4-20250514", "90"},
		{"anthropic", "claude-haiku-4-5", "6"},
		{"anthropic", "claude-3-5-sonnet-20241022", "18"},
	} {
		p, ok := price.Builtin().Lookup(test.kind, test.model)
		if !ok {
			t.Errorf("%s has no price", test.model)
			continue
		}
		in, _ := p.Cost(&llmv1.TokenUsage{InputTokens: 1000}, price.Standard)
		out, _ := p.Cost(&llmv1.TokenUsage{OutputTokens: 1000}, price.Standard)
		if got := price.USD(1000 * (in + out)); got != test.want {
			t.Errorf("%s: %s a million of each, want %s", test.model, got, test.want)
		}
	}
	for _, kind := range []string{"vllm", "tgi", "grpc", "openai_compatible"} {
		if _, ok := price.Builtin().Lookup(kind, "gpt-5"); ok {
			t.Errorf("%s has a price", kind)
		}
	}
}

// TestBuiltinBatch: a batch costs half, of whatever sort the tokens are and however long the request is.
func TestBuiltinBatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, model string }{
		{"openai", "gpt-5"},
		{"openai", "gpt-5.4-2026-03-05"},
		{"openai", "gpt-6-luna"},
		{"openai", "gpt-4o-mini"},
		{"openai", "o3"},
		{"openai", "text-embedding-3-small"},
		{"openai", "gpt-5-pro"},
		{"anthropic", "claude-haiku-4-5"},
	} {
		for name, u := range map[string]*llmv1.TokenUsage{
			"input":  {InputTokens: 1000, CachedInputTokens: 0},
			"cached": {InputTokens: 1000, CachedInputTokens: 400},
			"output": {OutputTokens: 1000},
			"long":   {InputTokens: 300_000, CachedInputTokens: 1000},
		} {
			standard, _, known := price.Builtin().Cost(test.kind, test.model, u)
			batch, version, halved := price.Builtin().CostIn(test.kind, test.model, price.Batch, u)
			if known && (!halved || 2*batch != standard || version == "") {
				t.Errorf("%s, %s: %d, the standard price is %d", test.model, name, batch, standard)
			}
		}
	}
	if _, _, known := price.Builtin().CostIn("openai", "gpt-chat-latest", price.Batch, &llmv1.TokenUsage{InputTokens: 1}); known {
		t.Error("a model that no batch takes has a batch price")
	}
}

func TestUSD(t *testing.T) {
	t.Parallel()
	for pico, want := range map[int64]string{
		0: "0", 1: "0.000000000001", 125_000_000: "0.000125", 1_000_000_000_000: "1", -1_500_000_000_000: "-1.5",
		-1 << 63: "-9223372.036854775808",
	} {
		if got := price.USD(pico); got != want {
			t.Errorf("%d: %s, want %s", pico, got, want)
		}
	}
	sum, _ := new(big.Int).SetString("123456789012345678901234", 10)
	if got := price.BigUSD(sum); got != "123456789012.345678901234" {
		t.Error(got)
	}
}

func BenchmarkCost(b *testing.B) {
	prices := price.Builtin()
	u := &llmv1.TokenUsage{InputTokens: 1200, CachedInputTokens: 200, OutputTokens: 300}
	for _, model := range []string{"gpt-5", "gpt-5-2025-08-07", "unknown-model"} {
		b.Run(model, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				prices.Cost("openai", model, u)
			}
		})
	}
}
