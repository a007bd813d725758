package sim

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestChatStreamSaysWhatTheWholeAnswerSays(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	tests := map[string]string{
		"prose":    `"messages":[{"role":"user","content":"hello \"there\" 你好"}]`,
		"choices":  `"n":3,"messages":[{"role":"user","content":"hello"}]`,
		"limit":    `"max_tokens":7,"messages":[{"role":"user","content":"hello"}]`,
		"stop":     `"stop":["."],"messages":[{"role":"user","content":"hello"}]`,
		"one call": `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"},"b":{"enum":[7]}}}}}],"messages":[{"role":"user","content":"use tool"}]`,
		"calls":    `"tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"user","content":"use tools"}]`,
		"forced":   `"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}},"messages":[{"role":"user","content":"x"}]`,
		"schema":   `"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object","properties":{"a":{"type":"integer"}}}}},"messages":[{"role":"user","content":"x"}]`,
	}
	for name, rest := range tests {
		for _, script := range []string{"", "chunks=3", "chunk_bytes=5,split=11,crlf,comments,obfuscation", "refuse"} {
			t.Run(name+"/"+script, func(t *testing.T) {
				t.Parallel()
				whole := chat(t, srv, `{"model":"gpt-4o",`+rest+`}`, script)
				stream := chat(t, srv, `{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},`+rest+`}`, script)
				if whole.StatusCode != 200 || stream.StatusCode != 200 {
					t.Fatalf("%d %s / %d %s", whole.StatusCode, whole.body, stream.StatusCode, stream.body)
				}
				compareChat(t, whole.body, parse(t, stream.body))
			})
		}
	}
}

// gathered is one choice put together from its deltas.
type gathered struct {
	roles, content, refusal, finish string
	calls                           []string // id, name and arguments in turn
}

// compareChat checks the order of a stream's chunks and that their sum is the whole answer.
func compareChat(t *testing.T, whole []byte, events []event) {
	t.Helper()
	if last := events[len(events)-1]; last.data != "[DONE]" {
		t.Fatalf("last event is %q", last.data)
	}
	events = events[:len(events)-1]
	bill := []byte(events[len(events)-1].data)
	if got := dig(t, bill, "usage"); !reflect.DeepEqual(got, dig(t, whole, "usage")) {
		t.Errorf("usage %v, want %v", got, dig(t, whole, "usage"))
	}
	if got, _ := dig(t, bill, "choices").([]any); len(got) != 0 {
		t.Errorf("usage chunk has choices %v", got)
	}
	choices, _ := dig(t, whole, "choices").([]any)
	all := make([]gathered, len(choices))
	for _, e := range events[:len(events)-1] {
		if v, ok := dig(t, []byte(e.data)).(map[string]any)["usage"]; !ok || v != nil {
			t.Errorf("ordinary chunk without usage null: %s", e.data)
		}
		gather(t, []byte(e.data), all)
	}
	for i := range all {
		if want := wholeChoice(t, whole, i); !reflect.DeepEqual(all[i], want) {
			t.Errorf("choice %d: %+v, want %+v", i, all[i], want)
		}
	}
}

func gather(t *testing.T, chunk []byte, all []gathered) {
	t.Helper()
	i, _ := dig(t, chunk, "choices", 0, "index").(float64)
	g := &all[int(i)]
	if g.finish != "" {
		t.Errorf("chunk after the end: %s", chunk)
	}
	str := func(path ...any) string {
		s, _ := dig(t, chunk, append([]any{"choices", 0}, path...)...).(string)
		return s
	}
	g.roles += str("delta", "role")
	g.content += str("delta", "content")
	g.refusal += str("delta", "refusal")
	g.finish += str("finish_reason")
	if at, ok := dig(t, chunk, "choices", 0, "delta", "tool_calls", 0, "index").(float64); ok {
		for len(g.calls) < 3*int(at)+3 {
			g.calls = append(g.calls, "")
		}
		g.calls[3*int(at)] += str("delta", "tool_calls", 0, "id")
		g.calls[3*int(at)+1] += str("delta", "tool_calls", 0, "function", "name")
		g.calls[3*int(at)+2] += str("delta", "tool_calls", 0, "function", "arguments")
	}
}

func wholeChoice(t *testing.T, whole []byte, i int) gathered {
	t.Helper()
	str := func(path ...any) string {
		s, _ := dig(t, whole, append([]any{"choices", i}, path...)...).(string)
		return s
	}
	g := gathered{str("message", "role"), str("message", "content"), str("message", "refusal"), str("finish_reason"), nil}
	calls, _ := dig(t, whole, "choices", i, "message", "tool_calls").([]any)
	for n := range calls {
		g.calls = append(g.calls, str("message", "tool_calls", n, "id"), str("message", "tool_calls", n, "function", "name"),
			str("message", "tool_calls", n, "function", "arguments"))
	}
	return g
}

func TestChatAnswers(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	tools := `"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]`
	tests := map[string]struct {
		body string
		path []any
		want any
	}{
		"snapshot":        {hello, []any{"model"}, "gpt-4o-2024-08-06"},
		"created":         {hello, []any{"created"}, 1767323045.0},
		"prompt":          {hello, []any{"usage", "prompt_tokens"}, 6.0},
		"length":          {`{"model":"gpt-4o","max_tokens":3,"messages":[{"role":"user","content":"x"}]}`, []any{"choices", 0, "finish_reason"}, "length"},
		"limit counts":    {`{"model":"gpt-4o","max_tokens":3,"messages":[{"role":"user","content":"x"}]}`, []any{"usage", "completion_tokens"}, 3.0},
		"reasoning":       {`{"model":"o3","reasoning_effort":"high","messages":[{"role":"user","content":"x"}]}`, []any{"usage", "completion_tokens_details", "reasoning_tokens"}, 128.0},
		"all reasoning":   {`{"model":"o3","reasoning_effort":"high","max_completion_tokens":100,"messages":[{"role":"user","content":"x"}]}`, []any{"choices", 0, "message", "content"}, ""},
		"named ends stop": {`{"model":"gpt-4o",` + tools + `,"tool_choice":{"type":"function","function":{"name":"g"}},"messages":[{"role":"user","content":"x"}]}`, []any{"choices", 0, "finish_reason"}, "stop"},
		"named is called": {`{"model":"gpt-4o",` + tools + `,"tool_choice":{"type":"function","function":{"name":"g"}},"messages":[{"role":"user","content":"x"}]}`, []any{"choices", 0, "message", "tool_calls", 0, "function", "name"}, "g"},
		"required":        {`{"model":"gpt-4o",` + tools + `,"tool_choice":"required","messages":[{"role":"user","content":"x"}]}`, []any{"choices", 0, "finish_reason"}, "tool_calls"},
		"second call":     {`{"model":"gpt-4o",` + tools + `,"messages":[{"role":"user","content":"use tools"}]}`, []any{"choices", 0, "message", "tool_calls", 1, "function", "name"}, "g"},
		"no parallel":     {`{"model":"gpt-4o",` + tools + `,"parallel_tool_calls":false,"messages":[{"role":"user","content":"use tools"}]}`, []any{"choices", 0, "message", "tool_calls", 1}, nil},
		"none":            {`{"model":"gpt-4o",` + tools + `,"tool_choice":"none","messages":[{"role":"user","content":"use tools"}]}`, []any{"choices", 0, "finish_reason"}, "stop"},
		"cached":          {`{"model":"gpt-4o#cache=read","messages":[{"role":"user","content":"hello there"}]}`, []any{"usage", "prompt_tokens_details", "cached_tokens"}, 3.0},
		"family name":     {`{"model":"gpt-99","messages":[{"role":"user","content":"x"}]}`, []any{"model"}, "gpt-99"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := chat(t, srv, tt.body, "")
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", res.StatusCode, res.body)
			}
			got := dig(t, res.body, tt.path...)
			if got != tt.want {
				t.Errorf("%v is %v, want %v", tt.path, got, tt.want)
			}
		})
	}
}

func TestChatToolResultIsPutIntoWords(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	res := chat(t, srv, `{"model":"gpt-4o","tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","messages":[{"role":"user","content":"use tool"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"sunny"}]}`, "")
	text, _ := dig(t, res.body, "choices", 0, "message", "content").(string)
	if !strings.HasPrefix(text, `The tool answered "sunny".`) {
		t.Errorf("got %s", res.body)
	}
}

func TestChunksTimesBytesIsTheLength(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	res := chat(t, srv, hello, "chunks=50,chunk_bytes=20")
	text, _ := dig(t, res.body, "choices", 0, "message", "content").(string)
	if len(text) != 1000 {
		t.Errorf("text has %d bytes, want 1000", len(text))
	}
}

func TestChatIsDeterministic(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	one, two := chat(t, srv, helloStream, ""), chat(t, srv, helloStream, "")
	if string(one.body) != string(two.body) {
		t.Error("the same request got two answers")
	}
	if one.Header.Get("X-Request-Id") == two.Header.Get("X-Request-Id") {
		t.Error("two requests got one request id")
	}
}
