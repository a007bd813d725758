package sim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func tgiPost(t *testing.T, srv *httptest.Server, path, body, script string) exchanged {
	t.Helper()
	return send(t, srv, http.MethodPost, "/tgi"+path, body, "X-Sim-Script", script)
}

func TestTGIChat(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{TGI: Engine{Context: 300}})
	ask := func(rest string) string {
		return `{"model":"tgi",` + rest + `"messages":[{"role":"user","content":"use tools"}]}`
	}
	const schema = `{"type":"object","properties":{"n":{"type":"integer"}}}`
	tests := map[string]struct {
		body, script string
		status       int
		has          string
	}{
		"no id":             {ask(""), "", 200, `{"object":"chat.completion","id":"","created":`},
		"model":             {ask(""), "", 200, `"model":"meta-llama/Llama-3.1-8B-Instruct"`},
		"adapter":           {`{"model":"mine","messages":[{"role":"user","content":"x"}]}`, "", 200, `"model":"mine"`},
		"stop sequence":     {ask(`"stop":["said"],`), "", 200, `"finish_reason":"stop_sequence"`},
		"length":            {ask(`"max_tokens":3,`), "", 200, `"finish_reason":"length"`},
		"ignored":           {ask(`"n":3,"logit_bias":{"5":1},"max_completion_tokens":1,"wizardry":true,`), "", 200, `"finish_reason":"stop"}],"usage"`},
		"one call":          {ask(weatherTool + ","), "", 200, `"tool_calls":[{"id":"0","type":"function","function":{"description":null,"name":"f","arguments":"{\"a\":\"sample a\"}"}}]},"logprobs":null,"finish_reason":"stop"}`},
		"schema":            {ask(`"response_format":{"type":"json_schema","value":{"name":"s","schema":` + schema + `}},`), "", 200, `"content":"{\"n\":1}"`},
		"schema, bare":      {ask(`"response_format":{"type":"json_object","value":` + schema + `},`), "", 200, `"content":"{\"n\":1}"`},
		"OpenAI's schema":   {ask(`"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":` + schema + `}},`), "", 422, "missing field `value`"},
		"tools and schema":  {ask(weatherTool + `,"response_format":{"type":"json","value":{}},`), "", 422, `"error_type":"tool_error"}`},
		"five stops":        {ask(`"stop":["a","b","c","d","e"],`), "", 422, `"error_type":"validation"}`},
		"top_p":             {ask(`"top_p":1,`), "", 422, "`top_p` must be > 0.0 and < 1.0"},
		"too long":          {ask(`"max_tokens":299,`), "", 422, "must be <= 300. Given: 6 `inputs` tokens and 299 `max_new_tokens`"},
		"no JSON":           {`{`, "", 422, "Failed to deserialize the JSON body into the target type: "},
		"a part of its own": {`{"messages":[{"role":"user","content":[{"type":"hologram"}]}]}`, "", 422, "Failed to deserialize"},
		"overloaded":        {ask(""), "overloaded", 429, `{"error":"Model is overloaded","error_type":"overloaded"}`},
		"generation":        {ask(""), "error=0", 424, `"error_type":"generation"}`},
		"overloaded stream": {ask(`"stream":true,`), "overloaded", 200, "data: {\"error\":{\"message\":\"Model is overloaded\",\"http_status_code\":422}}\n\ndata: [DONE]\n\n"},
		"invalid stream":    {ask(`"stream":true,"max_tokens":299,`), "", 200, `"http_status_code":422}}`},
		"broken stream":     {ask(`"stream":true,`), "error=2", 200, `"http_status_code":422}}` + "\n\ndata: [DONE]\n\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if res := tgiPost(t, srv, "/v1/chat/completions", tt.body, tt.script); res.StatusCode != tt.status || !strings.Contains(string(res.body), tt.has) {
				t.Errorf("%d %s", res.StatusCode, res.body)
			}
		})
	}
}

func TestTGIChatStream(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	ask := func(rest string) []event {
		res := tgiPost(t, srv, "/v1/chat/completions", `{"stream":true,"stream_options":{"include_usage":true},`+rest+`"messages":[{"role":"user","content":"use tool"}]}`, "")
		return parse(t, res.body)
	}
	text := ask("")
	for i, e := range text[:len(text)-2] {
		finish := dig(t, []byte(e.data), "choices", 0, "finish_reason")
		if dig(t, []byte(e.data), "choices", 0, "delta", "role") != "assistant" || dig(t, []byte(e.data), "id") != "" || (finish == "stop") != (i == len(text)-3) {
			t.Errorf("chunk %d: %s", i, e.data)
		}
	}
	calls := ask(weatherTool + ",")
	for i, e := range calls[:len(calls)-2] {
		name := dig(t, []byte(e.data), "choices", 0, "delta", "tool_calls", 0, "function", "name")
		if !strings.Contains(e.data, `"tool_calls":[{"index":0,"id":"0","type":"function","function":`) || (name == "f") != (i == 0) || dig(t, []byte(e.data), "choices", 0, "finish_reason") != nil {
			t.Errorf("chunk %d: %s", i, e.data)
		}
	}
	if bill := calls[len(calls)-2].data; dig(t, []byte(bill), "usage", "completion_tokens") == nil || calls[len(calls)-1].data != "[DONE]" {
		t.Errorf("the end: %s", bill)
	}
	res := tgiPost(t, srv, "/v1/chat/completions", `{"stream":true,`+weatherTool+`,"messages":[{"role":"user","content":"use tool"}]}`, "finish,tight")
	if !strings.Contains(string(res.body), `"finish_reason":"stop"`) || !strings.HasPrefix(string(res.body), "data:{") {
		t.Errorf("with finish and tight: %s", res.body)
	}
}

func TestTGIGenerate(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	tests := map[string]struct {
		path, body, script string
		status             int
		has, hasNot        string
	}{
		"plain":        {"/generate", `{"inputs":"hello"}`, "", 200, `{"generated_text":"You said \"hello\".`, "details"},
		"details":      {"/generate", `{"inputs":"hello there","parameters":{"details":true,"max_new_tokens":4,"seed":7,"decoder_input_details":true}}`, "", 200, `"details":{"finish_reason":"length","generated_tokens":4,"seed":7,"prefill":[{"id":`, `"prefill":[]`},
		"full text":    {"/generate", `{"inputs":"hello","parameters":{"return_full_text":true,"max_new_tokens":2}}`, "", 200, `"generated_text":"helloYou said"`, ""},
		"stop":         {"/generate", `{"inputs":"hello","parameters":{"details":true,"stop":["said"]}}`, "", 200, `"finish_reason":"stop_sequence"`, ""},
		"end":          {"/generate", `{"inputs":"hello","parameters":{"details":true}}`, "", 200, `"special":true}]`, ""},
		"grammar":      {"/generate", `{"inputs":"hello","parameters":{"grammar":{"type":"json","value":{"type":"object","properties":{"n":{"type":"integer"}}}}}}`, "", 200, `{"generated_text":"{\"n\":1}"}`, ""},
		"root":         {"/", `{"inputs":"hello"}`, "", 200, `[{"generated_text":`, ""},
		"root, stream": {"/", `{"inputs":"hello","stream":true}`, "", 200, `data: {"index":1,"token":{"id":`, ""},
		"wrong type":   {"/generate", `{"inputs":{"text":"hi"}}`, "", 422, "Failed to deserialize the JSON body into the target type: inputs: invalid type: map, expected a string", ""},
		"invalid":      {"/generate", `{"inputs":"x","parameters":{"max_new_tokens":99999}}`, "", 422, `"error_type":"validation"}`, ""},
		"stream":       {"/generate_stream", `{"inputs":"hello","parameters":{"max_new_tokens":2}}`, "", 200, `"generated_text":"You said","details":{"finish_reason":"length","generated_tokens":2,"seed":null,"input_length":1}}`, "[DONE]"},
		"late":         {"/generate_stream", `{"inputs":"x","parameters":{"max_new_tokens":99999}}`, "", 200, `"error_type":"validation"}`, "[DONE]"},
		"overloaded":   {"/generate_stream", `{"inputs":"x"}`, "overloaded", 200, `data: {"error":"Model is overloaded","error_type":"overloaded"}`, ""},
		"cut short":    {"/generate_stream", `{"inputs":"x"}`, "no_terminal", 200, `"generated_text":null`, `"details":{`},
		"tokens":       {"/tokenize", `{"inputs":"hello there"}`, "", 200, `"text":" there","start":5,"stop":11}`, ""},
		"chat tokens":  {"/chat_tokenize", `{"messages":[{"role":"user","content":"hello there"}]}`, "", 200, `"tokenize_response":[{`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := tgiPost(t, srv, tt.path, tt.body, tt.script)
			if res.StatusCode != tt.status || !strings.Contains(string(res.body), tt.has) || tt.hasNot != "" && strings.Contains(string(res.body), tt.hasNot) {
				t.Errorf("%d %s", res.StatusCode, res.body)
			}
		})
	}
	res := tgiPost(t, srv, "/generate", `{"inputs":"hello there"}`, "")
	if res.Header.Get("X-Prompt-Tokens") != "2" || res.Header.Get("X-Generated-Tokens") == "" {
		t.Errorf("headers %v", res.Header)
	}
}

func TestTGIServer(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{Keys: []string{"k"}})
	for path, want := range map[string]struct {
		status int
		has    string
	}{
		"GET /tgi/info": {200, `"model_id":"meta-llama/Llama-3.1-8B-Instruct"`}, "GET /tgi/health": {200, ""},
		"GET /tgi/v1/models": {200, `"created":0`}, "GET /tgi/metrics": {200, "tgi_queue_size 0.0\n"},
		"POST /tgi/generate": {401, ""}, "POST /tgi/tokenize": {401, ""}, "POST /tgi/nowhere": {404, ""}, "GET /tgi/generate": {405, ""},
	} {
		method, path, _ := strings.Cut(path, " ")
		res := send(t, srv, method, path, "")
		if res.StatusCode != want.status || !strings.Contains(string(res.body), want.has) || want.has == "" && len(res.body) > 0 {
			t.Errorf("%s %s: %d %s", method, path, res.StatusCode, res.body)
		}
	}
}
