package cross

import (
	"regexp"
	"strings"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// words are the places of the shared vocabulary in each dialect's own names, the longest first where one begins another.
var words = map[llmv1.Dialect][][2]string{
	llmv1.Dialect_DIALECT_OPENAI: {
		{"prompt.sampling.max_output_tokens", "max_completion_tokens"},
		{"prompt.sampling.stop_sequences", "stop"},
		{"prompt.sampling.choices", "n"},
		{"prompt.sampling.top_log_probs", "top_logprobs"},
		{"prompt.sampling.log_probs", "logprobs"},
		{"prompt.sampling.", ""},
		{"prompt.tool_choice.parallel", "parallel_tool_calls"},
		{"prompt.reasoning", "reasoning_effort"},
		{"prompt.system_parts", "messages"},
		{"prompt.system", "messages"},
		{"prompt.", ""},
		{"input.texts", "input"},
		{"input.token_lists", "input"},
		{"input.", ""},
	},
	llmv1.Dialect_DIALECT_ANTHROPIC: {
		{"prompt.sampling.max_output_tokens", "max_tokens"},
		{"prompt.sampling.", ""},
		{"prompt.tool_choice.parallel", "tool_choice.disable_parallel_tool_use"},
		{"prompt.reasoning.effort", "output_config.effort"},
		{"prompt.reasoning", "thinking"},
		{"prompt.response_format", "output_config.format"},
		{"prompt.system_parts", "system"},
		{"prompt.user", "metadata.user_id"},
		{"prompt.", ""},
	},
}

// inner are the names within messages and tools.
var inner = map[llmv1.Dialect]*strings.Replacer{
	llmv1.Dialect_DIALECT_OPENAI: strings.NewReplacer(".tool_call_response.parts[", ".content[", ".parts[", ".content[",
		".tool_call_response.", ".", ".input_schema", ".function.parameters"),
	llmv1.Dialect_DIALECT_ANTHROPIC: strings.NewReplacer(".tool_call_response.parts[", ".content[", ".parts[", ".content[",
		".tool_call_response.", "."),
}

var callParts = regexp.MustCompile(`\.native(\.json)?$|\.tool_call_response$|\.tool_call(\.|$).*|\.extensions$`)

// fieldOf names a field as a client of the dialect named it; a field without a name there keeps its own.
func fieldOf(d llmv1.Dialect, field string) string {
	for _, w := range words[d] {
		if rest, ok := strings.CutPrefix(field, w[0]); ok {
			return callParts.ReplaceAllString(inner[d].Replace(w[1]+rest), "")
		}
	}
	return field
}
