package anthropic

import (
	"bytes"
	"slices"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// Rewrite returns the body with another model's name, and without the thoughts that Headgate itself signed when an answer
// of another vendor was translated: Anthropic refuses them. A message of which nothing would be left goes with them, for
// Anthropic refuses empty messages, and joins messages of one speaker by itself. Where the last turn then calls tools
// without thoughts, the thinking parameter goes too: Anthropic demands thoughts before such a turn. Every other byte stays,
// and body itself is returned where nothing changes.
func Rewrite(body []byte, f dialect.Facts, model string) []byte {
	var edits []rawjson.Edit
	if model != f.Model {
		edits = append(edits, f.WithModel(model))
	}
	if bytes.Contains(body, []byte(dialect.Unsigned)) {
		edits = unsign(body, edits)
	}
	if len(edits) == 0 {
		return body
	}
	return rawjson.Splice(body, edits...)
}

// unsign adds the edits that take forged thoughts out, in the order of their places.
func unsign(body []byte, edits []rawjson.Edit) []rawjson.Edit {
	var messages [][]byte
	var thinking rawjson.Member
	_ = rawjson.Object(body, dialect.MaxDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "messages":
			messages = object.Elements(m.Value)
		case "thinking":
			thinking = m
		}
		return true
	})
	c := cutter{body: body}
	c.messages(messages)
	if c.forged && c.bare && thinks(thinking.Value) {
		c.edits = append(c.edits, rawjson.Remove(body, thinking))
	}
	edits = append(edits, c.edits...)
	slices.SortFunc(edits, func(a, b rawjson.Edit) int { return a.At - b.At })
	return edits
}

func thinks(thinking []byte) bool {
	kind, _ := rawjson.Unquote(rawjson.Get(thinking, "type"))
	return string(kind) == "enabled" || string(kind) == "adaptive"
}

// cutter takes elements out of arrays of a body.
type cutter struct {
	body  []byte
	edits []rawjson.Edit
	// forged says that thoughts were taken out; bare that the model's last message calls tools without thoughts.
	forged, bare bool
}

// at is where a part of the body begins. It is a slice of the body that reaches as far as the body's memory does.
func (c *cutter) at(part []byte) int { return cap(c.body) - cap(part) }

func (c *cutter) messages(messages [][]byte) {
	empty := make([]bool, len(messages))
	for i, m := range messages {
		role, _ := rawjson.Unquote(rawjson.Get(m, "role"))
		if string(role) == "assistant" {
			empty[i] = c.message(object.Elements(rawjson.Get(m, "content")))
		}
	}
	c.cut(messages, empty)
}

// message takes the forged thoughts out of a message of the model; it reports whether that leaves nothing.
func (c *cutter) message(blocks [][]byte) (empty bool) {
	drop := make([]bool, len(blocks))
	calls, thinks := false, false
	for i, b := range blocks {
		switch kind, _ := rawjson.Unquote(rawjson.Get(b, "type")); string(kind) {
		case "tool_use":
			calls = true
		case "redacted_thinking":
			thinks = true
		case "thinking":
			signature, _ := rawjson.Unquote(rawjson.Get(b, "signature"))
			drop[i] = string(signature) == dialect.Unsigned
			thinks = thinks || !drop[i]
		}
	}
	c.bare = calls && !thinks
	if !slices.Contains(drop, true) {
		return false
	}
	c.forged = true
	if !slices.Contains(drop, false) {
		return true
	}
	c.cut(blocks, drop)
	return false
}

// cut takes elements of one array out, each with the comma and the space after it, or before where none is left after it.
func (c *cutter) cut(elements [][]byte, drop []bool) {
	last := len(elements) - 1
	for last >= 0 && drop[last] {
		last--
	}
	for i := range max(last, 0) {
		if drop[i] {
			c.edits = append(c.edits, rawjson.Edit{At: c.at(elements[i]), End: c.at(elements[i+1])})
		}
	}
	if end := len(elements) - 1; last < end {
		from := c.at(elements[0])
		if last >= 0 {
			from = c.at(elements[last]) + len(elements[last])
		}
		c.edits = append(c.edits, rawjson.Edit{At: from, End: c.at(elements[end]) + len(elements[end])})
	}
}
