package edge_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/cross"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/services/router/internal/edge"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// talk is a client's conversation: it sends back what it got, as the SDKs' examples do.
type talk struct {
	t        *testing.T
	edge     *edge.Edge
	messages []any
	rest     string
}

func value(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func (c *talk) say(messages ...string) {
	c.t.Helper()
	for _, m := range messages {
		c.messages = append(c.messages, value(c.t, m))
	}
}

// to returns the messages that a provider gets of the conversation so far.
func (c *talk) to(w *wire.Wire) []any {
	c.t.Helper()
	list, err := json.Marshal(c.messages)
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := crossed(c.t, c.edge, w, []byte(`{"model":"m","max_tokens":100,`+c.rest+`"messages":`+string(list)+`}`))
	if err != nil {
		c.t.Fatal(err)
	}
	return value(c.t, string(body)).(map[string]any)["messages"].([]any)
}

// from hears a provider's answer, which joins the conversation.
func (c *talk) from(w *wire.Wire, answer string) (seen string) {
	c.t.Helper()
	completion, err := w.Chat.Decode([]byte(answer), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if w.Dialect != c.edge.Dialect {
		completion = cross.Answer(completion, "m")
	}
	seen = string(c.edge.EncodeResponse(completion))
	whole := value(c.t, seen).(map[string]any)
	if choices, ok := whole["choices"].([]any); ok {
		c.messages = append(c.messages, choices[0].(map[string]any)["message"])
	} else {
		c.messages = append(c.messages, map[string]any{"role": "assistant", "content": whole["content"]})
	}
	return seen
}

// is compares a message that a provider gets.
func (c *talk) is(got any, want string) {
	c.t.Helper()
	text, err := json.Marshal(got)
	if err != nil || !object.Equal(text, []byte(want)) {
		c.t.Errorf("got  %s\nwant %s", text, want)
	}
}

const (
	claudeAnswer = `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"hm","signature":"SIG"},{"type":"text","text":"Let me see."},` +
		`{"type":"tool_use","id":"toolu_1","name":"f","input":{"b":1,"a":2}},{"type":"tool_use","id":"toolu_2","name":"g","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":3}}`
	gptAnswer = `{"id":"c","object":"chat.completion","created":1,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_3","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}},` +
		`{"id":"call_4","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}`
	vllmAnswer = `{"id":"c","object":"chat.completion","created":1,"model":"qwen","choices":[{"index":0,"message":{"role":"assistant","content":"So.","reasoning":"well","tool_calls":[{"id":"chatcmpl-tool-0123456789abcdef0123456789abcdef","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}`
)

// TestOpenAIClientSwitchesProviders: Claude, then GPT, then Claude again. Ids, arguments, order, thoughts and their
// signatures are at the end what they were.
func TestOpenAIClientSwitchesProviders(t *testing.T) {
	t.Parallel()
	all := wires()
	c := &talk{t: t, edge: edge.OpenAI()}
	c.say(`{"role":"user","content":"Go"}`)
	if seen := c.from(all["anthropic"], claudeAnswer); !strings.Contains(seen, `"prompt_tokens":7`) || !strings.Contains(seen, `"finish_reason":"tool_calls"`) {
		t.Errorf("%s", seen)
	}
	c.say(`{"role":"tool","tool_call_id":"toolu_1","content":"one"}`, `{"role":"tool","tool_call_id":"toolu_2","content":"two"}`)

	gpt := c.to(all["openai"])
	c.is(gpt[1].(map[string]any)["tool_calls"], `[{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{\"b\":1,\"a\":2}"}},{"id":"toolu_2","type":"function","function":{"name":"g","arguments":"{}"}}]`)

	c.from(all["openai"], gptAnswer)
	c.say(`{"role":"tool","tool_call_id":"call_3","content":"three"}`, `{"role":"tool","tool_call_id":"call_4","content":"four"}`)
	claude := c.to(all["anthropic"])
	if len(claude) != 5 {
		t.Fatalf("%v", claude)
	}
	c.is(claude[1], `{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"SIG"},{"type":"text","text":"Let me see."},{"type":"tool_use","id":"toolu_1","name":"f","input":{"b":1,"a":2}},{"type":"tool_use","id":"toolu_2","name":"g","input":{}}]}`)
	c.is(claude[2], `{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"one"},{"type":"tool_result","tool_use_id":"toolu_2","content":"two"}]}`)
	c.is(claude[3], `{"role":"assistant","content":[{"type":"tool_use","id":"call_3","name":"f","input":{"x":1}},{"type":"tool_use","id":"call_4","name":"g","input":{}}]}`)
	c.is(claude[4], `{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_3","content":"three"},{"type":"tool_result","tool_use_id":"call_4","content":"four"}]}`)
}

// TestAnthropicClientSwitchesProviders: a vLLM, then Claude, then the vLLM again: thoughts that nobody signed don't reach
// Claude, and ids that a vendor refuses are replaced the same way in call and answer.
func TestAnthropicClientSwitchesProviders(t *testing.T) {
	t.Parallel()
	all := wires()
	c := &talk{t: t, edge: edge.Anthropic()}
	c.say(`{"role":"user","content":"Go"}`)
	seen := c.from(all["vllm"], vllmAnswer)
	if !strings.Contains(seen, dialect.Unsigned) || !strings.Contains(seen, `"stop_reason":"tool_use"`) || !strings.Contains(seen, `"input_tokens":9`) {
		t.Errorf("%s", seen)
	}
	c.say(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"chatcmpl-tool-0123456789abcdef0123456789abcdef","content":"one"}]}`)

	c.from(all["anthropic"], claudeAnswer)
	c.say(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"two"},{"type":"tool_result","tool_use_id":"toolu_2","content":"three"}]}`)
	vllm := c.to(all["vllm"])
	c.is(vllm[1], `{"role":"assistant","content":"So.","reasoning":"well","tool_calls":[{"id":"chatcmpl-tool-0123456789abcdef0123456789abcdef","type":"function","function":{"name":"f","arguments":"{}"}}]}`)
	c.is(vllm[2], `{"role":"tool","tool_call_id":"chatcmpl-tool-0123456789abcdef0123456789abcdef","content":"one"}`)
	c.is(vllm[3].(map[string]any)["reasoning"], `"hm"`)

	gpt := c.to(all["openai"])
	id := gpt[1].(map[string]any)["tool_calls"].([]any)[0].(map[string]any)["id"].(string)
	if len(id) > 40 || gpt[2].(map[string]any)["tool_call_id"] != id || gpt[1].(map[string]any)["reasoning"] != nil {
		t.Errorf("%v", gpt)
	}
	mistral := c.to(all["mistral"])
	id = mistral[3].(map[string]any)["tool_calls"].([]any)[1].(map[string]any)["id"].(string)
	if len(id) != 9 || mistral[5].(map[string]any)["tool_call_id"] != id {
		t.Errorf("%v", mistral)
	}
}
