package openai

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// readUsage reads a usage object: cached tokens are part of prompt tokens, reasoning tokens of completion tokens.
func readUsage(value []byte) *llmv1.TokenUsage {
	u := &llmv1.TokenUsage{}
	hits := int64(0)
	_ = rawjson.Object(value, dialect.MaxAnswerDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "prompt_tokens":
			u.InputTokens, _ = rawjson.Int(m.Value)
		case "completion_tokens":
			u.OutputTokens, _ = rawjson.Int(m.Value)
		case "prompt_cache_hit_tokens": // DeepSeek's name for it
			hits, _ = rawjson.Int(m.Value)
		case "prompt_tokens_details":
			u.CachedInputTokens, _ = rawjson.Int(rawjson.Get(m.Value, "cached_tokens"))
			u.CacheWriteTokens, _ = rawjson.Int(rawjson.Get(m.Value, "cache_write_tokens"))
		case "completion_tokens_details":
			u.ReasoningTokens, _ = rawjson.Int(rawjson.Get(m.Value, "reasoning_tokens"))
		}
		return true
	})
	if u.CachedInputTokens == 0 {
		u.CachedInputTokens = hits
	}
	return u
}

// keepUsage reads a usage object with what it holds beyond the shared vocabulary.
func keepUsage(value []byte) *llmv1.TokenUsage {
	u := readUsage(value)
	var w object.Writer
	writeUsage(&w, u)
	u.Extensions = object.Diff(value, w.Bytes())
	return u
}

// writeUsage writes a usage object with the members that OpenAI itself always gives.
func writeUsage(w *object.Writer, u *llmv1.TokenUsage) {
	w.Patched(u.GetExtensions(), func() {
		w.Number("prompt_tokens", u.GetInputTokens())
		w.Number("completion_tokens", u.GetOutputTokens())
		w.Number("total_tokens", u.GetInputTokens()+u.GetOutputTokens())
		w.Sub("prompt_tokens_details", func() {
			w.Number("cached_tokens", u.GetCachedInputTokens())
			if u.GetCacheWriteTokens() > 0 {
				w.Number("cache_write_tokens", u.GetCacheWriteTokens())
			}
		})
		w.Sub("completion_tokens_details", func() { w.Number("reasoning_tokens", u.GetReasoningTokens()) })
	})
}
