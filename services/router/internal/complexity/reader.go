package complexity

import (
	"bytes"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// reader reads a request once. Scan is whether it looks at text.
type reader struct {
	scan  bool
	shape Shape

	// ask is what was asked in the turn at hand; now and before are the scores of the last turn and of those before.
	ask         text
	now, before float64
	turns       int
	// system are the instructions, context what the model and tools said.
	system, context text

	results int
	effort  float64
	schema  int
	bound   int64
}

// role is who speaks, as far as it matters here.
type role uint8

const (
	user role = iota
	instructor
	model
	tool
)

var roles = map[string]role{
	"user": user, "system": instructor, "developer": instructor, "assistant": model, "tool": tool, "function": tool,
}

// body reads a chat of either dialect: the members that they share mean the same in both, the others don't clash.
func (r *reader) body(body []byte) {
	c := rawjson.NewCursor(body, dialect.MaxDepth)
	for ok := c.Object(); ok; {
		var name []byte
		if name, ok = c.Member(); ok {
			r.member(&c, name)
		}
	}
}

func (r *reader) member(c *rawjson.Cursor, name []byte) {
	switch string(name) {
	case "messages":
		for ok := c.Array(); ok && c.Element(); {
			r.message(c)
		}
	case "system":
		r.content(c.Value(), instructor)
	case "tools":
		for ok := c.Array(); ok && c.Element(); {
			r.shape.Tools++
			c.Skip()
		}
	case "max_tokens", "max_completion_tokens":
		n, _ := rawjson.Int(c.Value())
		r.bound = max(r.bound, n)
	case "reasoning_effort":
		r.thinks(c.Value())
	case "thinking":
		value := c.Value()
		if n, ok := rawjson.Int(rawjson.Get(value, "budget_tokens")); ok && string(rawjson.Get(value, "type")) == `"enabled"` {
			r.budget(n)
		}
	case "response_format":
		r.schema = len(schemaOf(c.Value()))
	case "output_config":
		value := c.Value()
		r.thinks(rawjson.Get(value, "effort"))
		r.schema = max(r.schema, len(rawjson.Get(rawjson.Get(value, "format"), "schema")))
	case "output_format":
		r.schema = max(r.schema, len(rawjson.Get(c.Value(), "schema")))
	default:
		c.Skip()
	}
}

// schemaOf is the schema of OpenAI's response_format, or of TGI's.
func schemaOf(format []byte) []byte {
	switch string(rawjson.Get(format, "type")) {
	case `"json_schema"`:
		holder := rawjson.Get(format, "json_schema")
		if holder == nil {
			holder = rawjson.Get(format, "value")
		}
		return rawjson.Get(holder, "schema")
	case `"json"`:
		return rawjson.Get(format, "value")
	}
	return nil
}

func (r *reader) thinks(effort []byte) {
	r.effort = max(r.effort, efforts[string(bytes.Trim(effort, `"`))])
}

var efforts = map[string]float64{"medium": 0.5, "high": 1, "xhigh": 1, "max": 1}

// budget takes the tokens a model may think with: what the efforts are worth where they are translated.
func (r *reader) budget(n int64) {
	switch {
	case n >= 16384:
		r.effort = 1
	case n >= 8192:
		r.effort = max(r.effort, 0.5)
	}
}

// message reads one message. Its role may come after its content.
func (r *reader) message(c *rawjson.Cursor) {
	var speaker, content []byte
	for ok := c.Object(); ok; {
		var name []byte
		if name, ok = c.Member(); !ok {
			break
		}
		switch string(name) {
		case "role":
			speaker, _ = rawjson.Unquote(c.Value())
		case "content":
			content = c.Value()
		default:
			c.Skip()
		}
	}
	r.speaks(roles[string(speaker)])
	r.content(content, roles[string(speaker)])
}

// speaks begins a message.
func (r *reader) speaks(speaker role) {
	switch speaker {
	case instructor:
		return
	case model:
		r.turn()
	case tool:
		r.results++
	case user:
	}
	r.shape.Messages++
}

// content reads a text, or a list of parts.
func (r *reader) content(value []byte, speaker role) {
	r.quoted(value, r.into(speaker))
	if rawjson.Kind(value) != 'a' {
		return
	}
	c := rawjson.NewCursor(value, dialect.MaxDepth)
	for ok := c.Array(); ok && c.Element(); {
		r.part(&c, speaker)
	}
}

// into is where the text of a speaker goes.
func (r *reader) into(speaker role) *text {
	switch speaker {
	case user:
		return &r.ask
	case instructor:
		return &r.system
	}
	return &r.context
}

// part reads one part. What a tool said stands in one of the user's, in Anthropic's dialect.
func (r *reader) part(c *rawjson.Cursor, speaker role) {
	for ok := c.Object(); ok; {
		var name []byte
		if name, ok = c.Member(); !ok {
			return
		}
		switch string(name) {
		case "type":
			r.kind(c.Value())
		case "text":
			r.quoted(c.Value(), r.into(speaker))
		case "content":
			r.content(c.Value(), tool)
		default:
			c.Skip()
		}
	}
}

func (r *reader) kind(word []byte) {
	switch string(word) {
	case `"image_url"`, `"input_audio"`, `"file"`, `"video_url"`, `"audio_url"`, `"image"`, `"document"`:
		r.shape.Media = true
	case `"tool_result"`:
		r.results++
	}
}

// quoted scans a JSON string.
func (r *reader) quoted(value []byte, into *text) {
	if r.scan && len(value) >= 2 && value[0] == '"' {
		s := scanner{text: into}
		s.quoted(value[1 : len(value)-1])
	}
}
