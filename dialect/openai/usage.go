package openai

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// readUsage reads a usage object: cached tokens are part of prompt tokens, reasoning tokens of completion tokens.
func readUsage(value []byte) *llmv1.TokenUsage {
	u := &llmv1.TokenUsage{}
	_ = rawjson.Object(value, dialect.MaxAnswerDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "prompt_tokens":
			u.InputTokens, _ = rawjson.Int(m.Value)
		case "completion_tokens":
			u.OutputTokens, _ = rawjson.Int(m.Value)
		case "prompt_tokens_details":
			u.CachedInputTokens, _ = rawjson.Int(rawjson.Get(m.Value, "cached_tokens"))
			u.CacheWriteTokens, _ = rawjson.Int(rawjson.Get(m.Value, "cache_write_tokens"))
		case "completion_tokens_details":
			u.ReasoningTokens, _ = rawjson.Int(rawjson.Get(m.Value, "reasoning_tokens"))
		}
		return true
	})
	return u
}
