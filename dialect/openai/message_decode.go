package openai

import (
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// messageDecoder reads messages: a client's, which are refused where they are wrong, or a model's, which are taken as far
// as they can be understood.
type messageDecoder struct {
	// strict refuses what is wrong; the first error is kept in refused.
	strict  bool
	refused error
	// keep keeps what has no typed place, as extensions.
	keep bool
	// speaker is who speaks in the message at hand.
	speaker llmv1.Role
}

// refuse refuses a request; it does nothing for an answer.
func (d *messageDecoder) refuse(err error) {
	if d.strict && d.refused == nil {
		d.refused = err
	}
}

// marks returns where extensions go; nil where nobody wants them.
func (d *messageDecoder) marks() marks {
	if !d.keep {
		return nil
	}
	return make(marks)
}

// message reads one message; path names it in errors.
func (d *messageDecoder) message(path string, value []byte) *llmv1.Message {
	r, ok := object.Read(value)
	if !ok {
		d.refuse(dialect.Invalid(path, "must be an object"))
		return &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
	}
	marks := d.marks()
	d.speaker = d.role(path, r, marks)
	m := &llmv1.Message{Role: d.speaker, Name: r.Text("name")}
	switch d.speaker {
	case llmv1.Role_ROLE_TOOL:
		m.Parts = d.response(path, r, marks)
	case llmv1.Role_ROLE_ASSISTANT:
		m.Parts = d.thoughts(r, marks)
		m.Parts = append(m.Parts, d.content(path, r, marks)...)
		d.annotations(r, m.Parts)
		if text := r.Text("refusal"); text != "" {
			m.Parts = append(m.Parts, refusalOf(text))
		}
		m.Parts = append(m.Parts, d.calls(path, r)...)
	default:
		m.Parts = d.content(path, r, marks)
	}
	m.Extensions = d.left(r, marks)
	return m
}

// left returns what nobody took, as extensions; nil where nobody wants them.
func (d *messageDecoder) left(r *object.Reader, marks marks) map[string]string {
	if !d.keep {
		return nil
	}
	return marks.with(r.Left())
}

// role reads who speaks. OpenAI's developer and the deprecated function keep their word in the extensions.
func (d *messageDecoder) role(path string, r *object.Reader, marks marks) llmv1.Role {
	switch role := word(r.Peek("role")); role {
	case "system", "user", "assistant", "tool":
		r.Word("role", role)
		return roles[role]
	case "developer", "function":
		return roles[role]
	}
	if !r.Has("role") {
		marks.absent("role")
		d.refuse(dialect.Missing(path + ".role"))
	}
	d.refuse(dialect.Invalid(path+".role", "must be system, developer, user, assistant or tool"))
	return llmv1.Role_ROLE_ASSISTANT
}

var roles = map[string]llmv1.Role{
	"system": llmv1.Role_ROLE_SYSTEM, "developer": llmv1.Role_ROLE_SYSTEM, "user": llmv1.Role_ROLE_USER,
	"assistant": llmv1.Role_ROLE_ASSISTANT, "tool": llmv1.Role_ROLE_TOOL, "function": llmv1.Role_ROLE_TOOL,
}

// response reads a tool's answer. That of a deprecated function goes by the function's name.
func (d *messageDecoder) response(path string, r *object.Reader, marks marks) []*llmv1.Part {
	id := r.Text("tool_call_id")
	if id == "" && word(r.Peek("role")) == "function" {
		if id = word(r.Peek("name")); !r.Has("tool_call_id") {
			marks.absent("tool_call_id")
		}
	}
	if id == "" {
		d.refuse(dialect.Missing(path + ".tool_call_id"))
	}
	return []*llmv1.Part{{Kind: &llmv1.Part_ToolCallResponse{
		ToolCallResponse: &llmv1.ToolCallResponsePart{Id: id, Parts: d.content(path, r, marks)},
	}}}
}

// content reads what a message says: a string, or a list of parts. Where it is empty, its spelling is kept.
func (d *messageDecoder) content(path string, r *object.Reader, marks marks) []*llmv1.Part {
	path += ".content"
	value := r.Peek("content")
	switch rawjson.Kind(value) {
	case 's':
		if text := r.Text("content"); text != "" {
			return []*llmv1.Part{textOf(text)}
		}
	case 'a':
		return d.contentParts(path, r)
	case 0:
		marks.absent("content")
		if d.speaker != llmv1.Role_ROLE_ASSISTANT {
			d.refuse(dialect.Missing(path))
		}
	case 'n':
		if d.speaker != llmv1.Role_ROLE_ASSISTANT && word(r.Peek("role")) != "function" {
			d.refuse(dialect.Invalid(path, "must be a string or a list of parts"))
		}
	default:
		d.refuse(dialect.Invalid(path, "must be a string or a list of parts"))
	}
	return nil
}

func (d *messageDecoder) contentParts(path string, r *object.Reader) []*llmv1.Part {
	elements := object.Elements(r.Peek("content"))
	parts := make([]*llmv1.Part, 0, len(elements))
	whole := true
	for i, element := range elements {
		part := d.part(index(path, i), element, len(elements) == 1)
		if whole = whole && part != nil; part != nil {
			parts = append(parts, part)
		}
	}
	if whole && len(parts) > 0 {
		r.Take("content", func([]byte) bool { return true })
	}
	return parts
}

// annotations reads what the text of the message rests on. It isn't taken where there is no text to put it to, or where
// it holds another kind than addresses.
func (d *messageDecoder) annotations(r *object.Reader, parts []*llmv1.Part) {
	var text *llmv1.TextPart
	for _, part := range parts {
		if part.GetText() != nil {
			text = part.GetText()
		}
	}
	if text == nil || !list(r.Peek("annotations")) {
		return
	}
	citations, whole := readCitations(r.Peek("annotations"), d.keep)
	if text.Citations = citations; whole {
		r.Take("annotations", func([]byte) bool { return true })
	}
}

// calls reads the tool calls of a message.
func (d *messageDecoder) calls(path string, r *object.Reader) []*llmv1.Part {
	path += ".tool_calls"
	value := r.Peek("tool_calls")
	if k := rawjson.Kind(value); k != 'a' && k != 'n' && k != 0 {
		d.refuse(dialect.Invalid(path, "must be a list of calls"))
	}
	elements := object.Elements(value)
	parts := make([]*llmv1.Part, 0, len(elements))
	for i, element := range elements {
		if part := d.toolCall(index(path, i), element); part != nil {
			parts = append(parts, part)
		}
	}
	if len(parts) == len(elements) && len(parts) > 0 {
		r.Take("tool_calls", func([]byte) bool { return true })
	}
	return parts
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
