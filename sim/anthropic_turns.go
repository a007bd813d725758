package sim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// conversation walks the turns of a messages request: it counts them, finds the last user text and enforces what the
// vendor does: tool results answer the tool uses of the turn before, all of them, and thinking comes back as signed.
type conversation struct {
	a      *ask
	seed   string
	newest bool // API version 2026-10-21
	role   string
	calls  []string // tool uses of the assistant turn before that wait for results
	made   []string // tool uses of this turn
}

func (c *conversation) read(r *reader) {
	list := r.list("messages")
	if r.has("messages") && len(list) == 0 {
		r.fail(problem{status: http.StatusBadRequest, message: "messages: at least one message is required"})
	}
	for i, raw := range list {
		m := r.element("messages", i, raw)
		c.turn(m, i)
		r.merge(m)
	}
}

var turnParams = set("role content")

// turn reads one message.
func (c *conversation) turn(m *reader, i int) {
	m.need("role")
	m.need("content")
	if !c.a.lax {
		m.only(turnParams)
	}
	c.role = m.choice("role", "user", "assistant", "system")
	c.a.prompt.tokens += perTurn
	c.a.answered, c.made = false, nil
	if c.role != "system" {
		c.a.result = ""
	}
	text := c.content(m)
	if c.role == "user" {
		c.a.user = text
	}
	if c.role == "system" {
		return
	}
	if c.role == "user" && len(c.calls) > 0 && !c.a.lax {
		m.fail(problem{status: http.StatusBadRequest, message: fmt.Sprintf("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. "+
			"Each `tool_use` block must have a corresponding `tool_result` block in the next message.", i-1, strings.Join(c.calls, ", "))})
	}
	c.calls = c.made
}

// content reads a message's or tool result's content: a string, or blocks.
func (c *conversation) content(m *reader) string {
	if kind(m.in["content"]) == "a string" {
		s := m.text("content")
		c.a.prompt.add(s)
		return s
	}
	var texts []string
	for i, raw := range m.list("content") {
		b := m.element("content", i, raw)
		if t := c.block(b); t != "" {
			texts = append(texts, t)
		}
		markCache(b, c.a)
		m.merge(b)
	}
	return strings.Join(texts, "\n")
}

// block reads one content block and returns its text, if it has any of its own.
func (c *conversation) block(b *reader) string {
	b.need("type")
	switch b.text("type") {
	case "text":
		return c.text(b)
	case "tool_use":
		c.use(b)
	case "tool_result":
		c.result(b)
	case "thinking":
		c.thinking(b)
	case "document":
		if c.role == "assistant" && c.newest {
			b.fail(problem{status: http.StatusBadRequest, message: b.at + ": `document` blocks are not permitted in assistant messages"})
		}
		c.a.prompt.tokens += perMedia
	case "image", "search_result", "container_upload":
		c.a.prompt.tokens += perMedia
	case "redacted_thinking", "fallback", "compaction", "tool_reference", "mid_conv_system":
	default:
		sort := b.text("type")
		if server := strings.HasSuffix(sort, "_tool_result") || sort == "server_tool_use" || sort == "mcp_tool_use"; !server {
			b.fail(r400(b.at, "Input tag '"+sort+"' found using 'type' does not match any of the expected tags"))
		}
	}
	return ""
}

func (c *conversation) text(b *reader) string {
	t := b.text("text")
	if t == "" {
		b.fail(problem{status: http.StatusBadRequest, message: "messages: text content blocks must be non-empty"})
	}
	if c.newest && c.role == "user" && b.has("citations") && kind(b.in["citations"]) == "an array" && len(b.list("citations")) > 0 {
		b.fail(r400(b.path("citations"), "citations are not permitted in user messages"))
	}
	c.a.prompt.add(t)
	return t
}

// use notes a tool use of an assistant turn.
func (c *conversation) use(b *reader) {
	b.need("id")
	b.need("name")
	b.need("input")
	b.take("input", "an object", &object{})
	c.made = append(c.made, b.text("id"))
	c.a.prompt.add(b.text("name"))
	c.a.prompt.add(string(b.in["input"]))
}

// result takes a tool use off the waiting ones.
func (c *conversation) result(b *reader) {
	b.need("tool_use_id")
	id := b.text("tool_use_id")
	i := slices.Index(c.calls, id)
	if i < 0 && !c.a.lax {
		b.fail(r400(b.at, "unexpected `tool_use_id` found in `tool_result` blocks: "+id+
			". Each `tool_result` block must have a corresponding `tool_use` block in the previous message."))
		return
	}
	if i >= 0 {
		c.calls = slices.Delete(slices.Clone(c.calls), i, i+1)
	}
	c.a.answered = true
	var inner string
	if b.has("content") {
		inner = c.content(b)
	}
	c.a.result = strings.TrimSpace(c.a.result + " " + inner)
}

// thinking checks that a thinking block comes back as it was given.
func (c *conversation) thinking(b *reader) {
	b.need("thinking")
	b.need("signature")
	t := b.text("thinking")
	if b.text("signature") != signature(c.seed, t) && !c.a.lax {
		b.fail(r400(b.at, "Invalid `signature` in `thinking` block"))
	}
	c.a.prompt.add(t)
}

func r400(path, says string) problem {
	return problem{status: http.StatusBadRequest, message: path + ": " + says}
}
