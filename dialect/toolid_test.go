package dialect_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
)

func TestToolID(t *testing.T) {
	t.Parallel()
	long := "chatcmpl-tool-" + strings.Repeat("0", 32)
	for name, c := range map[string]struct {
		id   string
		rule dialect.IDRule
		kept bool
	}{
		"OpenAI's own":          {"call_abc", dialect.OpenAIToolID, true},
		"vLLM's at OpenAI":      {long, dialect.OpenAIToolID, false},
		"vLLM's at Anthropic":   {long, dialect.AnthropicToolID, true},
		"Kimi's at Anthropic":   {"functions.weather:0", dialect.AnthropicToolID, false},
		"nothing":               {"", dialect.OpenAIToolID, false},
		"Anthropic's at itself": {"toolu_01A", dialect.AnthropicToolID, true},
		"OpenAI's at Mistral":   {"call_abcdef", dialect.MistralToolID, false},
		"Mistral's own":         {"D681PevKs", dialect.MistralToolID, true},
	} {
		got := dialect.ToolID(c.id, c.rule)
		if (got == c.id) != c.kept || got != dialect.ToolID(c.id, c.rule) || got != dialect.ToolID(got, c.rule) {
			t.Errorf("%s: %q becomes %q", name, c.id, got)
		}
	}
	if dialect.ToolID("a.b", dialect.AnthropicToolID) == dialect.ToolID("a:b", dialect.AnthropicToolID) {
		t.Error("two ids become one")
	}
}
