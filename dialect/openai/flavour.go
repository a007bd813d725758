package openai

import "github.com/headgate-mesh/headgate/dialect"

// Flavour is how a server that speaks OpenAI's dialect differs from OpenAI's own in what it takes. The zero Flavour is
// OpenAI itself.
type Flavour struct {
	// MaxTokens says that the bound on output goes as max_tokens, not as max_completion_tokens.
	MaxTokens bool
	// Reasoning is the member of an assistant's message that takes thoughts back: reasoning or reasoning_content. Empty
	// leaves them out: OpenAI refuses unknown members of messages.
	Reasoning string
	// ReasoningDetails says that signed and redacted thoughts may go back as reasoning_details too, as OpenRouter takes
	// them; it counts only where Reasoning is set.
	ReasoningDetails bool
	// ToolIDs is what it accepts as the id of a tool call; the zero rule is OpenAI's.
	ToolIDs dialect.IDRule
	// Sampling says that it takes top_k, min_p and repetition_penalty too, and any number of stop sequences.
	Sampling bool
	// NoEffort says that it refuses reasoning_effort.
	NoEffort bool
	// MediaURLs says that it takes the content parts video_url and audio_url, as vLLM does.
	MediaURLs bool
	// StructuredOutputs says that it takes a regular expression for the answer as structured_outputs.regex, as vLLM does.
	StructuredOutputs bool
}

// idRule is the rule for ids of tool calls.
func (f Flavour) idRule() dialect.IDRule {
	if f.ToolIDs == (dialect.IDRule{}) {
		return dialect.OpenAIToolID
	}
	return f.ToolIDs
}
