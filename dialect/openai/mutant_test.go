package openai_test

import "github.com/headgate-mesh/headgate/dialect/internal/mutant"

// vocabulary is what mutants of this dialect are made of.
var vocabulary = mutant.Words{
	Names: []string{
		"", ".", `\`, "a.b", "x", "type", "text", "role", "content", "id", "name", "index", "arguments", "function", "custom", "input", "tool_calls",
		"tool_call_id", "refusal", "reasoning", "reasoning_content", "reasoning_details", "annotations", "url_citation", "start_index", "url", "title",
		"image_url", "detail", "file", "file_data", "filename", "file_id", "input_audio", "data", "format", "stream", "stream_options", "include_usage",
		"max_tokens", "max_completion_tokens", "stop", "n", "logprobs", "top_logprobs", "token", "logprob", "bytes", "logit_bias", "response_format",
		"json_schema", "schema", "strict", "value", "tool_choice", "parallel_tool_calls", "allowed_tools", "mode", "tools", "parameters", "description",
		"usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens", "finish_reason", "choices", "delta", "message", "model",
		"created", "object", "error", "code", "x_groq", "signature", "summary", "thinking", "embedding", "encoding_format", "dimensions", "user", "audio",
		"function_call", "reasoning_effort", "seed", "temperature", "count",
	},
	Values: []string{
		"text", "image_url", "file", "input_audio", "refusal", "thinking", "reference", "function", "custom", "novel", "system", "developer", "user",
		"assistant", "tool", "stop", "length", "tool_calls", "content_filter", "function_call", "abort", "error", "stop_sequence", "auto", "none", "required",
		"allowed_tools", "json_object", "json_schema", "json", "regex", "url_citation", "reasoning.text", "reasoning.encrypted", "reasoning.summary",
		"anthropic-claude-v1", "openai-responses-v1", "data:image/png;base64,aGk=", "data:image/png;base64,aGk", "data:;base64,", "data:x", "https://x/y.png",
		"aGk=", "aGk", "a\nG", "AACAPw==", "wav", "mp3", "base64", "float", "low", "none", "{}", "[1]", "{", " ", "", "é", "[DONE]",
	},
}

// mutated returns a JSON text that is changed in a few places.
func mutated(text string, seed uint64) []byte { return vocabulary.Body(text, seed) }
