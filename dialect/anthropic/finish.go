package anthropic

import llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"

// finishReason is what Anthropic's word for the end of an answer means.
func finishReason(word string) llmv1.FinishReason {
	switch word {
	case "end_turn", "stop_sequence":
		return llmv1.FinishReason_FINISH_REASON_STOP
	case "max_tokens", "model_context_window_exceeded":
		return llmv1.FinishReason_FINISH_REASON_LENGTH
	case "tool_use":
		return llmv1.FinishReason_FINISH_REASON_TOOL_CALL
	case "refusal":
		return llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	case "pause_turn":
		return llmv1.FinishReason_FINISH_REASON_PAUSE
	}
	return llmv1.FinishReason_FINISH_REASON_UNSPECIFIED
}

// ending is how an answer ended, and what of its content bears on Anthropic's word for that.
type ending struct {
	reason       llmv1.FinishReason
	raw          string
	stopSequence string
	calls        bool
	refused      bool
}

// word is Anthropic's for the end: the provider's own where it is one of Anthropic's for the same reason, and never none,
// for clients take an answer without one as cut.
func (e ending) word() string {
	if e.raw != "" && finishReason(e.raw) == e.reason {
		return e.raw
	}
	switch e.reason {
	case llmv1.FinishReason_FINISH_REASON_LENGTH:
		return "max_tokens"
	case llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER:
		return "refusal"
	case llmv1.FinishReason_FINISH_REASON_PAUSE:
		return "pause_turn"
	case llmv1.FinishReason_FINISH_REASON_TOOL_CALL:
		if e.calls {
			return "tool_use"
		}
	}
	switch {
	case e.calls:
		return "tool_use"
	case e.refused:
		return "refusal"
	case e.stopSequence != "":
		return "stop_sequence"
	}
	return "end_turn"
}
