package anthropic_test

import "github.com/headgate-mesh/headgate/dialect/internal/mutant"

// vocabulary is what mutants of this dialect are made of.
var vocabulary = mutant.Words{
	Names: []string{
		"", ".", `\`, "a.b", "x", "type", "text", "role", "content", "id", "name", "input", "citations", "signature", "thinking", "data", "source",
		"title", "media_type", "url", "file_id", "usage", "stop_reason", "stop_sequence", "output_tokens", "input_tokens", "effort", "format", "schema",
		"budget_tokens", "display", "stream", "system", "tools", "temperature", "top_p", "tool_choice", "index", "delta", "partial_json", "citation",
		"is_error", "tool_use_id", "_raw_arguments", "cache_control", "output_config", "output_format", "user_id", "message", "content_block", "strict",
	},
	Values: []string{
		"text", "image", "document", "thinking", "redacted_thinking", "tool_use", "tool_result", "novel", "base64", "url", "file", "custom", "auto", "any", "none",
		"enabled", "adaptive", "disabled", "between_tools", "user", "assistant", "system", "end_turn", "text/plain", "application/pdf", "aGk=", "aGk", "a\nG", "data:x",
		"claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-6", "low", "minimal", "url_citation", "json_schema", "text_delta", "input_json_delta", "{}", "[1]", " ", "",
	},
}

// mutated returns a JSON text that is changed in a few places.
func mutated(text string, seed uint64) []byte { return vocabulary.Body(text, seed) }

// mutantStream changes, leaves out and repeats events.
func mutantStream(seed uint64) []byte { return vocabulary.Lines(wholeStream, seed) }
