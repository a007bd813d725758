package openai

import (
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// finishReason reads OpenAI's words, and those of servers that speak its dialect: TGI's stop_sequence and eos_token,
// Mistral's model_length.
func finishReason(word string) llmv1.FinishReason {
	switch word {
	case "stop", "stop_sequence", "eos_token", "eos", "end_turn":
		return llmv1.FinishReason_FINISH_REASON_STOP
	case "length", "max_tokens", "model_length":
		return llmv1.FinishReason_FINISH_REASON_LENGTH
	case "tool_calls", "function_call", "tool_use":
		return llmv1.FinishReason_FINISH_REASON_TOOL_CALL
	case "content_filter":
		return llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	}
	return llmv1.FinishReason_FINISH_REASON_UNSPECIFIED
}

// finishWord is the word to write: the provider's own where it is one of OpenAI's and means the same. Calls says that the
// answer calls tools: where another dialect's model stopped for them without saying so, OpenAI's word for it is tool_calls.
func finishWord(reason llmv1.FinishReason, raw string, calls bool) string {
	switch raw {
	case "stop", "length", "tool_calls", "function_call", "content_filter":
		if finishReason(raw) == reason {
			return raw
		}
	}
	switch {
	case reason == llmv1.FinishReason_FINISH_REASON_LENGTH:
		return "length"
	case reason == llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER:
		return "content_filter"
	case reason == llmv1.FinishReason_FINISH_REASON_TOOL_CALL, calls:
		return "tool_calls"
	}
	return "stop"
}

// failedWord reports whether a server's word says that it gave up: vLLM's abort, OpenRouter's error.
func failedWord(word string) bool { return word == "abort" || word == "error" }

// word reads a string; empty for any other value.
func word(value []byte) string {
	text, _ := rawjson.Unquote(value)
	return string(text)
}
