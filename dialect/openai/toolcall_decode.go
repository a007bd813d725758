package openai

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// toolCall reads one call; nil where it can't be written again from a typed part.
func (d *messageDecoder) toolCall(path string, value []byte) *llmv1.Part {
	r, ok := object.Read(value)
	if !ok {
		d.refuse(dialect.Invalid(path, "must be an object"))
		return nil
	}
	form, arguments := "function", "arguments"
	if word(r.Peek("type")) == "custom" {
		form, arguments = "custom", "input"
	}
	body := r.Sub(form)
	if body == nil {
		d.refuse(dialect.Missing(path + "." + form))
		return nil
	}
	marks := d.marks()
	call := &llmv1.ToolCallPart{
		Id: d.callID(path, r, marks), Name: body.Text("name"), FreeForm: form == "custom",
		Arguments: d.arguments(form+"."+arguments, path, body, marks),
	}
	if call.Name == "" {
		d.refuse(dialect.Missing(path + "." + form + ".name"))
		if !body.Has("name") {
			marks.absent(form + ".name")
		}
	}
	if !r.Word("type", form) && !r.Has("type") {
		marks.absent("type")
	}
	return &llmv1.Part{Kind: &llmv1.Part_ToolCall{ToolCall: call}, Extensions: d.left(r, marks)}
}

// callID reads a call's id. Where a model gave none, one is made: the answer to the call has to refer to something.
func (d *messageDecoder) callID(path string, r *object.Reader, marks marks) string {
	if id := r.Text("id"); id != "" {
		return id
	}
	d.refuse(dialect.Missing(path + ".id"))
	if !r.Has("id") {
		marks.absent("id")
	}
	return mintCall()
}

// arguments reads a call's arguments; at is their path within the call. What isn't a string stays as it was written.
func (d *messageDecoder) arguments(at, path string, body *object.Reader, marks marks) string {
	name := "arguments"
	if at == "custom.input" {
		name = "input"
	}
	text := ""
	body.Take(name, func(value []byte) bool {
		text = argumentsOf(value)
		return rawjson.Kind(value) == 's'
	})
	switch k := rawjson.Kind(body.Peek(name)); k {
	case 0:
		marks.absent(at)
	case 's', 'o', 'n':
	default:
		d.refuse(dialect.Invalid(path+"."+at, "must be a string"))
	}
	return text
}
