package sim

import "encoding/json"

// readChatTools reads tools, tool_choice and parallel_tool_calls.
func readChatTools(r *reader, a *ask) {
	for i, raw := range r.list("tools") {
		t := r.element("tools", i, raw)
		t.need("type")
		switch t.choice("type", "function", "custom") {
		case "custom":
			t.need("custom")
		default:
			t.need("function")
		}
		f := t.inner("function")
		if t.has("function") {
			f.need("name")
			a.tools = append(a.tools, tool{f.text("name"), orEmpty(f.in["parameters"])})
		}
		t.merge(f)
		r.merge(t)
		a.prompt.add(string(raw))
	}
	a.pick.single = !r.truth("parallel_tool_calls", true)
	for _, name := range []string{"tool_choice", "parallel_tool_calls"} {
		if r.has(name) && !r.has("tools") && string(r.in[name]) != `"none"` {
			r.fail(r.v.complain(name, "", "'"+name+"' is only allowed when 'tools' are specified.", ""))
		}
	}
	readToolChoice(r, a)
}

func readToolChoice(r *reader, a *ask) {
	if kind(r.in["tool_choice"]) != "an object" {
		word := r.choice("tool_choice", "none", "auto", "required")
		a.pick.must, a.pick.mustNot = word == "required", word == "none"
		return
	}
	c := r.inner("tool_choice")
	switch c.choice("type", "function", "allowed_tools", "custom") {
	case "function":
		a.pick.must, a.pick.name = true, c.inner("function").text("name")
		if !knows(a.tools, a.pick.name) {
			c.fail(r.v.complain("tool_choice", "", "Invalid value for 'tool_choice': function '"+a.pick.name+"' not found in 'tools'.", ""))
		}
	case "allowed_tools":
		a.pick.must = c.inner("allowed_tools").text("mode") == "required"
	}
	r.merge(c)
}

func knows(tools []tool, name string) bool {
	for _, t := range tools {
		if t.name == name {
			return true
		}
	}
	return false
}

// readChatMessages walks the conversation: it counts it, finds the last user text and checks that tool results answer
// tool calls.
func readChatMessages(r *reader, a *ask) {
	list := r.list("messages")
	if r.has("messages") && len(list) == 0 {
		r.fail(r.v.complain("messages", "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.", ""))
	}
	open := map[string]bool{}
	for i, raw := range list {
		m := r.element("messages", i, raw)
		readChatMessage(m, a, open)
		r.merge(m)
	}
}

// chatRules are what the servers take in the messages of a chat completion: vLLM takes roles of any name.
type chatRules struct {
	roles, parts []string
	paired       bool // a tool message answers a call that was made
}

var chatRulesOf = [...]chatRules{
	openAI: {
		roles: []string{"system", "assistant", "user", "function", "tool", "developer"},
		parts: []string{"text", "image_url", "input_audio", "file", "refusal"}, paired: true,
	},
	vLLM: {parts: []string{"text", "image_url", "input_audio", "audio_url", "video_url", "image_embeds", "refusal", "thinking"}},
	tgi:  {parts: []string{"text", "image_url"}},
}

func readChatMessage(m *reader, a *ask, open map[string]bool) {
	m.need("role")
	rules := &chatRulesOf[m.v]
	role := m.text("role")
	if len(rules.roles) > 0 {
		m.choice("role", rules.roles...)
	}
	text := chatContent(m, a)
	a.prompt.tokens += perTurn
	a.prompt.add(text)
	a.answered = role == "tool" || role == "function"
	switch role {
	case "user":
		a.user, a.result = text, ""
	case "assistant":
		a.result = ""
		readCalls(m, a, open)
	case "tool":
		a.result = text
		if rules.paired {
			m.need("tool_call_id")
		}
		if rules.paired && !open[m.text("tool_call_id")] {
			m.fail(m.v.complain(m.path("role"), "", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.", "")) //nolint:misspell // the vendor's spelling
		}
	}
	if role != "assistant" {
		m.need("content")
	}
}

// readCalls notes the calls that an assistant message made; tool messages may now answer them.
func readCalls(m *reader, a *ask, open map[string]bool) {
	for i, raw := range m.list("tool_calls") {
		c := m.element("tool_calls", i, raw)
		c.need("id")
		open[c.text("id")] = true
		f := c.inner("function")
		a.prompt.add(f.text("name"))
		a.prompt.add(f.text("arguments"))
		c.merge(f)
		m.merge(c)
	}
}

// chatContent is the text of a message: a string, or the text parts of an array.
func chatContent(m *reader, a *ask) string {
	if kind(m.in["content"]) == "a string" {
		return m.text("content")
	}
	var parts []json.RawMessage
	m.take("content", "one of a string or array of objects", &parts)
	var text string
	for i, raw := range parts {
		p := m.element("content", i, raw)
		p.need("type")
		switch p.choice("type", chatRulesOf[m.v].parts...) {
		case "text":
			p.need("text")
			text += p.text("text")
		case "refusal":
			text += p.text("refusal")
		default:
			a.prompt.tokens += perMedia
		}
		m.merge(p)
	}
	return text
}
