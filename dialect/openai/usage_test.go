package openai_test

import (
	"fmt"
	"testing"

	"github.com/headgate-mesh/headgate/dialect/openai"
)

// TestUsageArithmetic: cached tokens are part of the prompt's, thoughts of the completion's, under every vendor's names.
func TestUsageArithmetic(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ usage, want string }{
		"OpenAI":         {`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}`, "10 5 4 3 2"},
		"vLLM, no words": {`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":null}`, "10 5 0 0 0"},
		"DeepSeek":       {`{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":6}`, "10 5 4 0 0"},
		"an explicit 0":  {`{"prompt_tokens":0,"completion_tokens":0}`, "0 0 0 0 0"},
	} {
		c2, err := openai.DecodeResponse([]byte(`{"choices":[{"message":{"content":"a"}}],"usage":`+c.usage+`}`), false)
		if err != nil {
			t.Fatal(err)
		}
		u := c2.GetUsage()
		if got := fmt.Sprint(u.GetInputTokens(), u.GetOutputTokens(), u.GetCachedInputTokens(), u.GetCacheWriteTokens(), u.GetReasoningTokens()); got != c.want || u == nil {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestThinkTagsStayText: without a parser of thoughts a vLLM's stand in the text; whose they are can't be known for sure.
func TestThinkTagsStayText(t *testing.T) {
	t.Parallel()
	c, err := openai.DecodeResponse([]byte(`{"choices":[{"message":{"content":"<think>hm</think>a"}}]}`), false)
	if err != nil || len(c.GetMessage().GetParts()) != 1 || c.GetMessage().GetParts()[0].GetText().GetText() != "<think>hm</think>a" {
		t.Errorf("%v, %v", c, err)
	}
}
