package sim

import (
	"net/http"
	"strings"
	"testing"
)

func TestChatRefusesBadRequests(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{MaxBody: 2000})
	body := func(rest string) string { return `{"model":"gpt-4o",` + rest + `}` }
	msg := `"messages":[{"role":"user","content":"x"}]`
	tests := map[string]struct {
		body        string
		status      int
		param, code any
	}{
		"no JSON":            {`{"model":`, 400, nil, nil},
		"not an object":      {`[]`, 400, nil, nil},
		"no model":           {`{` + msg + `}`, 400, "model", "missing_required_parameter"},
		"no messages":        {`{"model":"gpt-4o"}`, 400, "messages", "missing_required_parameter"},
		"empty messages":     {body(`"messages":[]`), 400, "messages", "empty_array"},
		"messages type":      {body(`"messages":"x"`), 400, "messages", "invalid_type"},
		"message type":       {body(`"messages":["x"]`), 400, "messages[0]", "invalid_type"},
		"role":               {body(`"messages":[{"role":"bot","content":"x"}]`), 400, "messages[0].role", "invalid_value"},
		"content type":       {body(`"messages":[{"role":"user","content":1}]`), 400, "messages[0].content", "invalid_type"},
		"part type":          {body(`"messages":[{"role":"user","content":[{"type":"smell"}]}]`), 400, "messages[0].content[0].type", "invalid_value"},
		"tool without call":  {body(`"messages":[{"role":"tool","tool_call_id":"c","content":"x"}]`), 400, "messages[0].role", nil},
		"temperature type":   {body(msg + `,"temperature":"hot"`), 400, "temperature", "invalid_type"},
		"temperature high":   {body(msg + `,"temperature":3`), 400, "temperature", "decimal_above_max_value"},
		"n":                  {body(msg + `,"n":0`), 400, "n", "integer_below_min_value"},
		"stream type":        {body(msg + `,"stream":"yes"`), 400, "stream", "invalid_type"},
		"stream options":     {body(msg + `,"stream_options":{"include_usage":true}`), 400, "stream_options", nil},
		"unknown":            {body(msg + `,"thinking":{}`), 400, "thinking", "unknown_parameter"},
		"five stops":         {body(msg + `,"stop":["a","b","c","d","e"]`), 400, "stop", "array_above_max_length"},
		"choice, no tools":   {body(msg + `,"tool_choice":"auto"`), 400, "tool_choice", nil},
		"choice of no tool":  {body(msg + `,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}`), 400, "tool_choice", nil},
		"tool without name":  {body(msg + `,"tools":[{"type":"function","function":{}}]`), 400, "tools[0].function.name", "missing_required_parameter"},
		"json not mentioned": {body(msg + `,"response_format":{"type":"json_object"}`), 400, "messages", nil},
		"reasoning limit":    {`{"model":"o3","max_tokens":5,` + msg + `}`, 400, "max_tokens", "unsupported_parameter"},
		"reasoning heat":     {`{"model":"gpt-5","temperature":0.2,` + msg + `}`, 400, "temperature", "unsupported_value"},
		"unknown model":      {`{"model":"nope",` + msg + `}`, 404, nil, "model_not_found"},
		"other vendor":       {`{"model":"claude-opus-4-6",` + msg + `}`, 404, nil, "model_not_found"},
		"too long":           {body(msg + `,"user":"` + strings.Repeat("x", 2000) + `"`), 413, nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := chat(t, srv, tt.body, "")
			if res.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", res.StatusCode, tt.status, res.body)
			}
			if got := dig(t, res.body, "error", "type"); got != invalidRequest {
				t.Errorf("type %v", got)
			}
			if got := dig(t, res.body, "error", "param"); got != tt.param {
				t.Errorf("param %v, want %v", got, tt.param)
			}
			if got := dig(t, res.body, "error", "code"); got != tt.code {
				t.Errorf("code %v, want %v", got, tt.code)
			}
		})
	}
}

func TestMessagesRefuseBadRequests(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{MaxBody: 4000})
	body := func(rest string) string { return `{"model":"claude-opus-4-6","max_tokens":50,` + rest + `}` }
	msg := `"messages":[{"role":"user","content":"x"}]`
	use := `{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":{}}]}`
	tests := map[string]struct {
		body   string
		status int
		says   string
	}{
		"no JSON":           {`x`, 400, "JSON"},
		"no model":          {`{"max_tokens":5,` + msg + `}`, 400, "model: Field required"},
		"no limit":          {`{"model":"claude-opus-4-6",` + msg + `}`, 400, "max_tokens: Field required"},
		"no messages":       {`{"model":"claude-opus-4-6","max_tokens":5}`, 400, "messages: Field required"},
		"empty messages":    {body(`"messages":[]`), 400, "at least one message"},
		"role":              {body(`"messages":[{"role":"bot","content":"x"}]`), 400, "messages.0.role: Input should be"},
		"odd member":        {body(`"messages":[{"role":"user","content":"x","name":"y"}]`), 400, "messages.0.name: Extra inputs"},
		"content type":      {body(`"messages":[{"role":"user","content":1}]`), 400, "messages.0.content: Input should be a valid list"},
		"empty text":        {body(`"messages":[{"role":"user","content":[{"type":"text","text":""}]}]`), 400, "non-empty"},
		"limit type":        {`{"model":"claude-opus-4-6","max_tokens":"5",` + msg + `}`, 400, "max_tokens: Input should be a valid integer"},
		"heat":              {body(msg + `,"temperature":2`), 400, "temperature: Input should be less than or equal to 1"},
		"unknown":           {body(msg + `,"n":1`), 400, "n: Extra inputs are not permitted"},
		"small budget":      {`{"model":"claude-opus-4-6","max_tokens":5000,"thinking":{"type":"enabled","budget_tokens":5},` + msg + `}`, 400, "thinking.budget_tokens"},
		"budget over limit": {body(msg + `,"thinking":{"type":"enabled","budget_tokens":1024}`), 400, "greater than"},
		"twice a tool":      {body(msg + `,"tools":[{"name":"f","input_schema":{}},{"name":"f","input_schema":{}}]`), 400, "unique"},
		"no schema":         {body(msg + `,"tools":[{"name":"f"}]`), 400, "tools.0.input_schema: Field required"},
		"choice, no tools":  {body(msg + `,"tool_choice":{"type":"auto"}`), 400, "tool_choice"},
		"result of nothing": {body(`"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t9"}]}]`), 400, "messages.0.content.0: unexpected `tool_use_id`"},
		"use without result": {
			body(`"messages":[{"role":"user","content":"x"},` + use + `,{"role":"user","content":"y"}]`), 400,
			"messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1.",
		},
		"forged thinking": {
			body(`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"b"}]},{"role":"user","content":"y"}]`),
			400, "Invalid `signature`",
		},
		"unknown model": {`{"model":"nope","max_tokens":5,` + msg + `}`, 404, "model: nope"},
		"too long":      {body(msg + `,"system":"` + strings.Repeat("x", 4000) + `"`), 413, "exceeds"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := postMessage(t, srv, tt.body, "")
			if res.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", res.StatusCode, tt.status, res.body)
			}
			if says, _ := dig(t, res.body, "error", "message").(string); !strings.Contains(says, tt.says) {
				t.Errorf("says %q, want %q", says, tt.says)
			}
			if dig(t, res.body, "type") != "error" || dig(t, res.body, "request_id") != res.Header.Get("Request-Id") {
				t.Errorf("envelope %s, header %s", res.body, res.Header.Get("Request-Id"))
			}
		})
	}
}

func TestNewestVersion(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	msg := `"messages":[{"role":"user","content":"x"}]`
	tests := map[string]struct {
		version, rest string
		status        int
	}{
		"none":              {"", msg, 400},
		"odd":               {"2020-01-01", msg, 400},
		"plain":             {newestVersion, msg, 200},
		"old with heat":     {"2023-06-01", msg + `,"temperature":1`, 200},
		"new with heat":     {newestVersion, msg + `,"temperature":1`, 400},
		"new with top_k":    {newestVersion, msg + `,"top_k":null`, 400},
		"own document":      {newestVersion, `"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"document","source":{}}]}]`, 400},
		"old own document":  {"2023-06-01", `"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"document","source":{}}]}]`, 200},
		"citations by user": {newestVersion, `"messages":[{"role":"user","content":[{"type":"text","text":"x","citations":[{}]}]}]`, 400},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := send(t, srv, http.MethodPost, "/v1/messages?beta=true", `{"model":"claude-x","max_tokens":5,`+tt.rest+`}`,
				"Authorization", "Bearer k", "Anthropic-Version", tt.version)
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d: %s", res.StatusCode, tt.status, res.body)
			}
		})
	}
}

func TestThinkingComesBack(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{Seed: "s"})
	first := postMessage(t, srv, `{"model":"claude-x","max_tokens":500,"thinking":{"type":"adaptive"},"tools":[{"name":"f","input_schema":{}}],"messages":[{"role":"user","content":"use tool"}]}`, "")
	content := encode(dig(t, first.body, "content"))
	id, _ := dig(t, first.body, "content", 2, "id").(string)
	second := postMessage(t, srv, `{"model":"claude-x","max_tokens":500,"messages":[{"role":"user","content":"use tool"},{"role":"assistant","content":`+string(content)+
		`},{"role":"user","content":[{"type":"tool_result","tool_use_id":"`+id+`","content":[{"type":"text","text":"sunny"}]}]}]}`, "")
	if text, _ := dig(t, second.body, "content", 0, "text").(string); !strings.HasPrefix(text, `The tool answered "sunny".`) {
		t.Errorf("got %s", second.body)
	}
}
