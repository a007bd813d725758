package sim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func vllm(t *testing.T, srv *httptest.Server, body, script string) exchanged {
	t.Helper()
	return send(t, srv, http.MethodPost, "/vllm/v1/chat/completions", body, "X-Sim-Script", script)
}

const weatherTool = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}]`

func TestVLLMAnswers(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{VLLM: Engine{Context: 500}})
	ask := func(rest string) string {
		return `{"model":"qwen3-8b",` + rest + `"messages":[{"role":"user","content":"use tool"}]}`
	}
	tests := map[string]struct {
		body, script string
		path         []any
		want         any
	}{
		"the name asked for":    {ask(""), "", []any{"model"}, "qwen3-8b"},
		"no name":               {`{"messages":[{"role":"user","content":"x"}]}`, "", []any{"model"}, "qwen3-8b"},
		"what it doesn't know":  {ask(`"wizardry":1,"top_k":5,"min_p":0.1,"ignore_eos":true,`), "", []any{"choices", 0, "finish_reason"}, "stop"},
		"stop reason":           {ask(`"stop":["said"],`), "", []any{"choices", 0, "stop_reason"}, "said"},
		"no stop reason":        {ask(""), "", []any{"choices", 0, "stop_reason"}, nil},
		"details":               {ask(""), "", []any{"usage", "prompt_tokens_details"}, nil},
		"cached":                {ask(""), "cache=read", []any{"usage", "prompt_tokens_details", "cached_tokens"}, 3.0},
		"no calls":              {ask(""), "", []any{"choices", 0, "message", "tool_calls", 0}, nil},
		"a call":                {ask(weatherTool + ","), "", []any{"choices", 0, "message", "tool_calls", 0, "function", "arguments"}, `{"a":"sample a"}`},
		"its finish":            {ask(weatherTool + ","), "", []any{"choices", 0, "finish_reason"}, "tool_calls"},
		"thoughts":              {ask(`"reasoning_effort":"low",`), "", []any{"choices", 0, "message", "reasoning"}, "The user wants a reply. I should quote the start of what was said, then add a few calm sentences."},
		"thoughts, older":       {ask(`"reasoning_effort":"low",`), "reasoning=reasoning_content", []any{"choices", 0, "message", "reasoning"}, nil},
		"no thoughts":           {ask(`"reasoning_effort":"none",`), "", []any{"choices", 0, "message", "reasoning"}, nil},
		"told by the template":  {ask(`"chat_template_kwargs":{"enable_thinking":false},"reasoning_effort":"low",`), "", []any{"choices", 0, "message", "reasoning"}, nil},
		"hidden":                {ask(`"include_reasoning":false,"reasoning_effort":"low",`), "", []any{"choices", 0, "message", "reasoning"}, nil},
		"structured":            {ask(`"structured_outputs":{"json":{"type":"object","properties":{"n":{"type":"integer"}}}},`), "", []any{"choices", 0, "message", "content"}, `{"n":1}`},
		"unknown model":         {`{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}`, "", []any{"error", "type"}, "NotFoundError"},
		"its code":              {`{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}`, "", []any{"error", "code"}, 404.0},
		"validation":            {`{"model":"qwen3-8b"}`, "", []any{"error", "type"}, "Bad Request"},
		"range":                 {ask(`"temperature":-1,`), "", []any{"error", "type"}, "BadRequestError"},
		"too long":              {ask(`"max_tokens":499,`), "", []any{"error", "code"}, 400.0},
		"flat":                  {ask(""), "status=500,flat", []any{"object"}, "error"},
		"an engine that dies":   {ask(""), "error=0", []any{"error", "type"}, "InternalServerError"},
		"no embedding of words": {`{"model":"bge-m3","messages":[{"role":"user","content":"x"}]}`, "", []any{"error", "code"}, 400.0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := vllm(t, srv, tt.body, tt.script)
			if got := dig(t, res.body, tt.path...); got != tt.want {
				t.Errorf("%v is %v, want %v in %s", tt.path, got, tt.want, res.body)
			}
		})
	}
}

func TestVLLMStream(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	ask := func(rest string) string {
		return `{"model":"qwen3-8b","stream":true,` + rest + `"messages":[{"role":"user","content":"use tool"}]}`
	}
	res := vllm(t, srv, ask(weatherTool+`,"reasoning_effort":"low","stream_options":{"include_usage":true,"continuous_usage_stats":true},`), "reasoning=both")
	events := parse(t, res.body)
	first, end, bill := events[0].data, events[len(events)-3].data, events[len(events)-2].data
	if d := dig(t, []byte(first), "choices", 0, "delta"); d.(map[string]any)["content"] != "" || dig(t, []byte(first), "usage", "completion_tokens") == nil {
		t.Errorf("first chunk %s", first)
	}
	if !strings.Contains(end, `"delta":{"content":""}`) || !strings.Contains(end, `"finish_reason":"tool_calls","stop_reason":null`) {
		t.Errorf("last chunk %s", end)
	}
	if l, _ := dig(t, []byte(bill), "choices").([]any); len(l) != 0 || events[len(events)-1].data != "[DONE]" {
		t.Errorf("usage %s", bill)
	}
	all := string(res.body)
	if !strings.Contains(all, `"reasoning":" user","reasoning_content":" user"`) {
		t.Error("thoughts don't come under both names")
	}
	if i := strings.Index(all, `"id":"chatcmpl-tool-`); i < 0 || strings.Contains(all[i:i+150], "arguments") {
		t.Errorf("the first delta of a call: %s", all[i:i+150])
	}
	if res := vllm(t, srv, ask(""), "error=3"); !strings.HasSuffix(string(res.body), `"param":null,"code":500}}`+"\n\ndata: [DONE]\n\n") {
		t.Errorf("an error in a stream: %s", res.body)
	}
	if res := vllm(t, srv, ask(`"reasoning_effort":"low",`), "reasoning=think"); !strings.Contains(string(res.body), `"content":"<"`) || strings.Contains(string(res.body), `"reasoning"`) {
		t.Errorf("tags: %s", res.body)
	}
}

func TestVLLMServer(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{Keys: []string{"k"}})
	const q = `"messages":[{"role":"user","content":"hello there"}]`
	tests := map[string]struct {
		method, path, body, key string
		status                  int
		has                     string
	}{
		"no key":        {"POST", "/vllm/v1/chat/completions", `{` + q + `}`, "", 401, `{"error":"Unauthorized"}`},
		"x-api-key":     {"POST", "/vllm/v1/messages", `{` + q + `}`, "", 401, `{"error":"Unauthorized"}`},
		"nowhere":       {"GET", "/vllm/v1/files", "", "k", 404, `{"detail":"Not Found"}`},
		"method":        {"GET", "/vllm/tokenize", "", "", 405, `{"detail":"Method Not Allowed"}`},
		"health":        {"GET", "/vllm/health", "", "", 200, ""},
		"version":       {"GET", "/vllm/version", "", "", 200, `"version"`},
		"load":          {"GET", "/vllm/load", "", "", 200, `{"server_load":0}`},
		"models":        {"GET", "/vllm/v1/models", "", "k", 200, `"max_model_len":40960`},
		"model":         {"GET", "/vllm/v1/models/qwen3-8b", "", "k", 200, `"owned_by":"vllm"`},
		"tokens":        {"POST", "/vllm/tokenize", `{"prompt":"hello there","return_token_strs":true}`, "", 200, `"token_strs":["hello"," there"]`},
		"chat's tokens": {"POST", "/vllm/tokenize", `{` + q + `}`, "", 200, `{"count":6,"max_model_len":40960`},
		"count":         {"POST", "/vllm/v1/messages/count_tokens", `{"model":"qwen3-8b",` + q + `}`, "k", 200, `{"input_tokens":6}`},
		"message":       {"POST", "/vllm/v1/messages", `{"model":"qwen3-8b","max_tokens":9,"odd":1,` + q + `}`, "k", 200, `"stop_reason":"max_tokens","stop_sequence":null,"usage":{"input_tokens":6,"output_tokens":9}`},
		"no such model": {"POST", "/vllm/v1/messages", `{"model":"claude-opus-4-6","max_tokens":9,` + q + `}`, "k", 404, `{"type":"error","error":{"type":"not_found_error"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			headers := []string{"X-Api-Key", "k"}
			if tt.key != "" {
				headers = []string{"Authorization", "Bearer " + tt.key}
			}
			res := send(t, srv, tt.method, tt.path, tt.body, headers...)
			if res.StatusCode != tt.status || !strings.Contains(string(res.body), tt.has) {
				t.Errorf("%d %s", res.StatusCode, res.body)
			}
		})
	}
}
