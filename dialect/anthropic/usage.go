package anthropic

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// usage is Anthropic's count: input tokens without what was read from or written to the cache. Later counts of a stream
// replace earlier ones, they don't add up.
type usage struct {
	any                                         bool
	input, cacheRead, cacheWrite, output, think int64
	// hours and tier are JSON of what decides the price: cache writes for an hour, and a service tier that isn't the
	// standard one; empty where there is nothing of the kind.
	hours, tier string
}

func (u *usage) read(object []byte) {
	if rawjson.Kind(object) != 'o' {
		return
	}
	u.any = true
	_ = rawjson.Object(object, dialect.MaxAnswerDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "input_tokens":
			replace(&u.input, m.Value)
		case "cache_read_input_tokens":
			replace(&u.cacheRead, m.Value)
		case "cache_creation_input_tokens":
			replace(&u.cacheWrite, m.Value)
		case "output_tokens":
			replace(&u.output, m.Value)
		case "output_tokens_details":
			replace(&u.think, rawjson.Get(m.Value, "thinking_tokens"))
		case "cache_creation":
			if n, ok := rawjson.Int(rawjson.Get(m.Value, "ephemeral_1h_input_tokens")); ok && n > 0 {
				u.hours = string(m.Value)
			}
		case "service_tier":
			if rawjson.Kind(m.Value) == 's' && string(m.Value) != `"standard"` {
				u.tier = string(m.Value)
			}
		}
		return true
	})
}

// billed is total, with what the ledger needs to know of the price.
func (u *usage) billed() *llmv1.TokenUsage {
	t := u.total()
	if t == nil || u.hours == "" && u.tier == "" {
		return t
	}
	t.Extensions = make(map[string]string, 2)
	if u.hours != "" {
		t.Extensions["cache_creation"] = u.hours
	}
	if u.tier != "" {
		t.Extensions["service_tier"] = u.tier
	}
	return t
}

// replace leaves the field as it is where the provider gives no number: null isn't zero.
func replace(field *int64, value []byte) {
	if n, ok := rawjson.Int(value); ok {
		*field = n
	}
}

// total is the count in Headgate's convention, totals with their parts; nil where there was none.
func (u *usage) total() *llmv1.TokenUsage {
	if !u.any {
		return nil
	}
	return &llmv1.TokenUsage{
		InputTokens: u.input + u.cacheRead + u.cacheWrite, CachedInputTokens: u.cacheRead, CacheWriteTokens: u.cacheWrite,
		OutputTokens: u.output, ReasoningTokens: u.think,
	}
}

// totalOf is total, with what else the provider's object holds as extensions.
func (u *usage) totalOf(raw []byte) *llmv1.TokenUsage {
	t := u.total()
	if t != nil && rawjson.Kind(raw) == 'o' {
		var w object.Writer
		writeUsage(&w, t)
		t.Extensions = object.Diff(raw, w.Bytes())
	}
	return t
}

// writeUsage writes a count, all zero where it is nil: clients read output_tokens without asking whether it is there.
func writeUsage(w *object.Writer, u *llmv1.TokenUsage) {
	w.Patched(u.GetExtensions(), func() {
		// Some servers count cache writes beside the input, or twice: the parts add up to the whole all the same.
		read := min(u.GetCachedInputTokens(), u.GetInputTokens())
		written := min(u.GetCacheWriteTokens(), u.GetInputTokens()-read)
		w.Number("input_tokens", u.GetInputTokens()-read-written)
		w.Number("cache_creation_input_tokens", written)
		w.Number("cache_read_input_tokens", read)
		w.Number("output_tokens", u.GetOutputTokens())
		if n := u.GetReasoningTokens(); n != 0 {
			w.Sub("output_tokens_details", func() { w.Number("thinking_tokens", n) })
		}
	})
}
