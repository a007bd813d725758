package dialect_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func TestOpenAITap(t *testing.T) {
	t.Parallel()
	chunk := func(rest string) sse.Frame { return sse.Frame{Data: []byte(`{"id":"c1","model":"m",` + rest + `}`)} }
	usage := `"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":0}}`
	cases := map[string]struct {
		frame sse.Frame
		asked bool
		want  dialect.Verdict
	}{
		"role":             {chunk(`"choices":[{"delta":{"role":"assistant","content":""}}]`), false, dialect.Verdict{}},
		"content":          {chunk(`"choices":[{"delta":{"content":"x"}}],"usage":null`), false, dialect.Verdict{Content: true}},
		"second choice":    {chunk(`"choices":[{"delta":{}},{"delta":{"content":"x"}}]`), false, dialect.Verdict{Content: true}},
		"tool call":        {chunk(`"choices":[{"delta":{"tool_calls":[{"index":0}]}}]`), false, dialect.Verdict{Content: true}},
		"reasoning":        {chunk(`"choices":[{"delta":{"reasoning":"hm"}}]`), false, dialect.Verdict{Content: true}},
		"usage, not asked": {chunk(usage), false, dialect.Verdict{Action: dialect.Drop}},
		"usage, asked":     {chunk(usage), true, dialect.Verdict{}},
		"prompt filter":    {chunk(`"choices":[],"prompt_filter_results":[]`), false, dialect.Verdict{}},
		"done":             {sse.Frame{Data: []byte("[DONE]")}, false, dialect.Verdict{Action: dialect.Terminal}},
		"error":            {sse.Frame{Data: []byte(`{"error":{"message":"x"}}`)}, false, dialect.Verdict{Action: dialect.Failed}},
		"null error":       {chunk(`"choices":[],"error":null`), false, dialect.Verdict{}},
		"named error":      {sse.Frame{Event: []byte("error"), Data: []byte(`{"message":"x"}`)}, false, dialect.Verdict{Action: dialect.Malformed}},
		"not JSON":         {sse.Frame{Data: []byte(`{"id":`)}, false, dialect.Verdict{Action: dialect.Malformed}},
		"no data":          {sse.Frame{Raw: []byte("qata: {}\n\n")}, false, dialect.Verdict{Action: dialect.Malformed}},
		"comment":          {sse.Frame{Comment: true}, false, dialect.Verdict{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := openai.NewTap(dialect.Facts{IncludeUsage: c.asked}).Read(c.frame); got != c.want {
				t.Errorf("got %+v", got)
			}
		})
	}
	tap := openai.NewTap(dialect.Facts{})
	tap.Read(chunk(`"choices":[{"delta":{},"finish_reason":"length"}]`))
	tap.Read(chunk(usage))
	got := tap.Reading()
	want := &llmv1.TokenUsage{InputTokens: 10, CachedInputTokens: 4}
	if !proto.Equal(got.Usage, want) || got.Finish != llmv1.FinishReason_FINISH_REASON_LENGTH || got.RawFinish != "length" || got.ID != "c1" || got.Model != "m" {
		t.Errorf("got %+v", got)
	}
	tap.Read(sse.Frame{Data: []byte("[DONE]")})
	if v := tap.Read(chunk(`"choices":[]`)); v.Action != dialect.Drop {
		t.Errorf("after the end: %+v", v)
	}
}

func anthropicFrame(name, data string) sse.Frame {
	return sse.Frame{Event: []byte(name), Data: []byte(data)}
}

func TestAnthropicTap(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		frame sse.Frame
		want  dialect.Verdict
	}{
		"ping":          {anthropicFrame("ping", `{"type": "ping"}`), dialect.Verdict{}},
		"unknown event": {anthropicFrame("novelty", `{"type":"novelty"}`), dialect.Verdict{}},
		"text begins":   {anthropicFrame("content_block_start", `{"type":"content_block_start","content_block":{"type":"text","text":""}}`), dialect.Verdict{}},
		"tool begins":   {anthropicFrame("content_block_start", `{"type":"content_block_start","content_block":{"type":"tool_use","input":{}}}`), dialect.Verdict{Content: true}},
		"delta":         {anthropicFrame("content_block_delta", `{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}  }`), dialect.Verdict{Content: true}},
		"stop":          {anthropicFrame("message_stop", `{"type":"message_stop"   }`), dialect.Verdict{Action: dialect.Terminal}},
		"error":         {anthropicFrame("error", `{"type":"error","error":{"type":"overloaded_error","message":"x"}}`), dialect.Verdict{Action: dialect.Failed}},
		"wrong name":    {anthropicFrame("message_stop", `{"type":"message_delta"}`), dialect.Verdict{Action: dialect.Malformed}},
		"no name":       {sse.Frame{Data: []byte(`{"type":"message_stop"}`)}, dialect.Verdict{Action: dialect.Malformed}},
		"not JSON":      {anthropicFrame("ping", `{`), dialect.Verdict{Action: dialect.Malformed}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := anthropic.NewTap(dialect.Facts{}).Read(c.frame); got != c.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestAnthropicUsage: cache tokens count as input, later counts replace earlier ones, and null replaces nothing.
func TestAnthropicUsage(t *testing.T) {
	t.Parallel()
	tap := anthropic.NewTap(dialect.Facts{})
	tap.Read(anthropicFrame("message_start", `{"type":"message_start","message":{"id":"msg","model":"m","usage":{"input_tokens":5,"cache_read_input_tokens":100,"cache_creation_input_tokens":20,"output_tokens":1}}}`))
	tap.Read(anthropicFrame("message_delta", `{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"input_tokens":7,"cache_read_input_tokens":null,"output_tokens":50,"output_tokens_details":{"thinking_tokens":30}}}`))
	got := tap.Reading()
	want := &llmv1.TokenUsage{InputTokens: 127, CachedInputTokens: 100, CacheWriteTokens: 20, OutputTokens: 50, ReasoningTokens: 30}
	if !proto.Equal(got.Usage, want) || got.Finish != llmv1.FinishReason_FINISH_REASON_TOOL_CALL || got.ID != "msg" {
		t.Errorf("got %+v", got)
	}
	if u := anthropic.NewTap(dialect.Facts{}).Reading().Usage; u != nil {
		t.Errorf("no count became %v", u)
	}
}

// FuzzTap: nothing a provider sends breaks a tap, a decoder or the reader of errors.
func FuzzTap(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n"))
	f.Add([]byte("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1}}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"))
	f.Add([]byte("event: error\ndata: {\"type\":\"error\",\"error\":\"plain\"}\n\n"))
	f.Fuzz(func(_ *testing.T, stream []byte) {
		for _, tapped := range []tap{openai.NewTap(dialect.Facts{}), anthropic.NewTap(dialect.Facts{})} {
			eachFrame(stream, func(f sse.Frame) { tapped.Read(f) })
			tapped.Reading()
		}
		o, a := openai.NewDecoder(false), anthropic.NewDecoder(false)
		eachFrame(stream, func(f sse.Frame) {
			_, _ = o.Decode(f)
			_, _ = a.Decode(f)
		})
		dialect.DecodeError(500, stream)
		_, _ = openai.DecodeResponse(stream, false)
		_, _ = anthropic.DecodeResponse(stream, false)
	})
}
