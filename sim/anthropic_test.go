package sim

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestMessageStreamSaysWhatTheWholeMessageSays(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	tools := `"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}}}},{"name":"g","input_schema":{"type":"object"}}],`
	tests := map[string]string{
		"prose":      `"max_tokens":500,"messages":[{"role":"user","content":"hello \"there\" 你好"}]`,
		"limit":      `"max_tokens":5,"messages":[{"role":"user","content":"hello"}]`,
		"warm up":    `"max_tokens":0,"messages":[{"role":"user","content":"hello"}]`,
		"stop":       `"max_tokens":500,"stop_sequences":["."],"messages":[{"role":"user","content":"hello"}]`,
		"calls":      tools + `"max_tokens":500,"messages":[{"role":"user","content":"use tools"}]`,
		"thinking":   tools + `"thinking":{"type":"adaptive"},"max_tokens":500,"messages":[{"role":"user","content":"use tool"}]`,
		"omitted":    `"thinking":{"type":"enabled","budget_tokens":1024,"display":"omitted"},"max_tokens":2000,"messages":[{"role":"user","content":"x"}]`,
		"cut short":  `"thinking":{"type":"adaptive"},"max_tokens":9,"messages":[{"role":"user","content":"x"}]`,
		"any":        tools + `"tool_choice":{"type":"any"},"max_tokens":500,"messages":[{"role":"user","content":"x"}]`,
		"structured": `"output_config":{"format":{"type":"json_schema","schema":{"type":"array","items":{"type":"integer"}}}},"max_tokens":500,"messages":[{"role":"user","content":"x"}]`,
	}
	for name, rest := range tests {
		for _, script := range []string{"", "chunks=3,padding=off", "chunk_bytes=5,split=11,crlf,comments", "refuse"} {
			t.Run(name+"/"+script, func(t *testing.T) {
				t.Parallel()
				whole := postMessage(t, srv, `{"model":"claude-opus-4-6",`+rest+`}`, script)
				stream := postMessage(t, srv, `{"model":"claude-opus-4-6","stream":true,`+rest+`}`, script)
				if whole.StatusCode != 200 || stream.StatusCode != 200 {
					t.Fatalf("%d %s / %d %s", whole.StatusCode, whole.body, stream.StatusCode, stream.body)
				}
				compareMessage(t, whole.body, parse(t, stream.body))
			})
		}
	}
}

// compareMessage checks the order of events and that their sum is the whole message.
func compareMessage(t *testing.T, whole []byte, events []event) {
	t.Helper()
	if events[0].name != "message_start" || events[len(events)-1].name != "message_stop" || events[len(events)-2].name != "message_delta" {
		t.Fatalf("ends are %v and %v", events[0], events[len(events)-2:])
	}
	var blocks []any
	var signatures int
	for i, e := range events {
		raw := []byte(e.data)
		if got := dig(t, raw, "type"); got != e.name {
			t.Errorf("event %q has type %v", e.name, got)
		}
		switch e.name {
		case "content_block_start":
			if at := dig(t, raw, "index"); at != float64(len(blocks)) {
				t.Errorf("block %v is the %d-th", at, len(blocks))
			}
			blocks = append(blocks, dig(t, raw, "content_block"))
			if len(blocks) == 1 && events[i+1].name != "ping" {
				t.Errorf("no ping after the first block's start but %v", events[i+1])
			}
		case "content_block_delta":
			if dig(t, raw, "delta", "type") == "signature_delta" {
				signatures++
			}
			extend(t, blocks[len(blocks)-1].(map[string]any), raw)
		}
	}
	for _, b := range blocks {
		closeBlock(t, b.(map[string]any))
	}
	if want, _ := dig(t, whole, "content").([]any); len(want)+len(blocks) > 0 && !reflect.DeepEqual(blocks, want) {
		t.Errorf("content %v, want %v", blocks, want)
	}
	checkEnd(t, whole, []byte(events[len(events)-2].data))
	if thoughts := strings.Count(string(whole), `"type":"thinking"`); thoughts != signatures {
		t.Errorf("%d signatures for %d thinking blocks", signatures, thoughts)
	}
}

// extend adds a delta to its block.
func extend(t *testing.T, b map[string]any, raw []byte) {
	t.Helper()
	delta, _ := dig(t, raw, "delta").(map[string]any)
	for key, v := range delta {
		s, _ := v.(string)
		switch key {
		case "text", "thinking", "signature":
			b[key] = b[key].(string) + s
		case "partial_json":
			if _, ok := b["args"]; !ok {
				b["args"] = ""
				if s != "" {
					t.Errorf("the first partial_json is %q", s)
				}
			}
			b["args"] = b["args"].(string) + s
		}
	}
}

// closeBlock turns gathered arguments into the block's input.
func closeBlock(t *testing.T, b map[string]any) {
	t.Helper()
	if args, ok := b["args"].(string); ok && args != "" {
		b["input"] = dig(t, []byte(args))
	}
	delete(b, "args")
}

func checkEnd(t *testing.T, whole, delta []byte) {
	t.Helper()
	for _, key := range []string{"stop_reason", "stop_sequence", "stop_details"} {
		if got, want := dig(t, delta, "delta", key), dig(t, whole, key); !reflect.DeepEqual(got, want) {
			t.Errorf("%s %v, want %v", key, got, want)
		}
	}
	for _, key := range []string{"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens_details"} {
		if got, want := dig(t, delta, "usage", key), dig(t, whole, "usage", key); got == nil || !reflect.DeepEqual(got, want) {
			t.Errorf("usage %s %v, want %v", key, got, want)
		}
	}
}

func TestMessageAnswers(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	marked := `{"model":"claude-opus-4-6","max_tokens":99,"system":[{"type":"text","text":"be good","cache_control":{"type":"ephemeral","ttl":"1h"}}],"messages":[{"role":"user","content":"hello there"}]}`
	tests := map[string]struct {
		body, script string
		path         []any
		want         any
	}{
		"end":           {claude, "", []any{"stop_reason"}, "end_turn"},
		"input":         {claude, "", []any{"usage", "input_tokens"}, 6.0},
		"cache read":    {marked, "", []any{"usage", "cache_read_input_tokens"}, 2.0},
		"input without": {marked, "", []any{"usage", "input_tokens"}, 6.0},
		"cache write":   {marked, "cache=write", []any{"usage", "cache_creation", "ephemeral_1h_input_tokens"}, 2.0},
		"stop":          {`{"model":"claude-x","max_tokens":99,"stop_sequences":["ello"],"messages":[{"role":"user","content":"hello"}]}`, "", []any{"stop_sequence"}, "ello"},
		"stop text":     {`{"model":"claude-x","max_tokens":99,"stop_sequences":["ello"],"messages":[{"role":"user","content":"hello"}]}`, "", []any{"content", 0, "text"}, `You said "h`},
		"max tokens":    {`{"model":"claude-x","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}`, "", []any{"usage", "output_tokens"}, 9.0},
		"snapshot":      {`{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}`, "", []any{"model"}, "claude-haiku-4-5-20251001"},
		"refusal":       {claude, "refuse", []any{"stop_reason"}, "refusal"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := postMessage(t, srv, tt.body, tt.script)
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", res.StatusCode, res.body)
			}
			if got := dig(t, res.body, tt.path...); got != tt.want {
				t.Errorf("%v is %v, want %v", tt.path, got, tt.want)
			}
		})
	}
}

func TestCountTokensIsTheInput(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	body := `{"model":"claude-opus-4-6","system":"be good","messages":[{"role":"user","content":[{"type":"text","text":"hello, you"},{"type":"image","source":{}}]}]}`
	count := send(t, srv, http.MethodPost, "/v1/messages/count_tokens?beta=true", body, "Authorization", "Bearer k", "Anthropic-Version", newestVersion)
	whole := postMessage(t, srv, strings.Replace(body, `{"model"`, `{"max_tokens":5,"model"`, 1), "")
	got, want := dig(t, count.body, "input_tokens"), dig(t, whole.body, "usage", "input_tokens")
	if got == nil || got != want {
		t.Errorf("counted %v (%s), billed %v", got, count.body, want)
	}
}
