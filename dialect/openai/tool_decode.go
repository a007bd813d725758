package openai

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func (d *requestDecoder) tools() []*llmv1.Tool {
	if !d.kind("tools", "a list of tools", 'a') {
		return nil
	}
	elements := d.Elements("tools")
	tools := make([]*llmv1.Tool, 0, len(elements))
	for i, element := range elements {
		tools = append(tools, d.tool(index("tools", i), element))
	}
	return tools
}

func (d *requestDecoder) tool(path string, value []byte) *llmv1.Tool {
	r, ok := object.Read(value)
	if !ok {
		d.refuse(dialect.Invalid(path, "must be an object"))
		return nil
	}
	if form := word(r.Peek("type")); form != "function" && r.Has("type") {
		return nativeTool(form, value, r)
	}
	marks := d.messageDecoder.marks()
	if !r.Word("type", "function") {
		marks.absent("type")
	}
	f := r.Sub("function")
	if f == nil {
		d.refuse(dialect.Missing(path + ".function"))
		return nil
	}
	t := &llmv1.Tool{Name: f.Text("name"), Description: f.Text("description"), InputSchema: f.JSON("parameters"), Strict: f.Bool("strict")}
	if t.Name == "" {
		d.refuse(dialect.Missing(path + ".function.name"))
	}
	if k := rawjson.Kind([]byte(t.InputSchema)); k != 0 && k != 'o' && k != 'b' {
		d.refuse(dialect.Invalid(path+".function.parameters", "must be a JSON Schema"))
	}
	t.Extensions = d.left(r, marks)
	return t
}

// nativeTool keeps a tool that isn't a function as it is; the type among its extensions says in whose dialect it came.
func nativeTool(form string, value []byte, r *object.Reader) *llmv1.Tool {
	name := word(r.Peek("name"))
	if name == "" {
		name = word(rawjson.Get(r.Peek(form), "name"))
	}
	if name == "" {
		name = form
	}
	return &llmv1.Tool{Name: name, Native: string(value), Extensions: map[string]string{"type": string(r.Peek("type"))}}
}

// toolChoice reads tool_choice and parallel_tool_calls.
func (d *requestDecoder) toolChoice() *llmv1.ToolChoice {
	c := &llmv1.ToolChoice{Parallel: d.boolean("parallel_tool_calls")}
	if !d.kind("tool_choice", "none, auto, required or an object", 's', 'o') {
		if c.Parallel == nil {
			return nil
		}
		return c
	}
	value := d.Peek("tool_choice")
	if rawjson.Kind(value) == 's' {
		c.Mode = d.choiceMode(word(value))
		d.Word("tool_choice", choiceWord(c.GetMode()))
		return c
	}
	d.choiceObject(c, value)
	if d.refused == nil {
		d.Take("tool_choice", func([]byte) bool { return true })
		var w object.Writer
		writeToolChoice(&w, c)
		c.Extensions = object.Diff(value, w.Bytes())
	}
	return c
}

func (d *requestDecoder) choiceMode(text string) llmv1.ToolChoiceMode {
	switch text {
	case "auto":
		return llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_AUTO
	case "none":
		return llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_NONE
	case "required", "any": // Mistral's word
		return llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_REQUIRED
	}
	d.refuse(dialect.Invalid("tool_choice", "must be none, auto, required or an object"))
	return llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_UNSPECIFIED
}

// choiceObject reads the choice of one tool, or of some.
func (d *requestDecoder) choiceObject(c *llmv1.ToolChoice, value []byte) {
	form := word(rawjson.Get(value, "type"))
	if form == "allowed_tools" {
		d.allowed(c, rawjson.Get(value, form))
		return
	}
	if form == "" {
		form = "function"
	}
	c.Mode = llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_TOOL
	if c.Name = word(rawjson.Get(rawjson.Get(value, form), "name")); c.Name == "" {
		d.refuse(dialect.Missing("tool_choice." + form + ".name"))
	}
}

func (d *requestDecoder) allowed(c *llmv1.ToolChoice, value []byte) {
	c.Mode = d.choiceMode(word(rawjson.Get(value, "mode")))
	for _, element := range object.Elements(rawjson.Get(value, "tools")) {
		if name := word(rawjson.Get(rawjson.Get(element, "function"), "name")); name != "" {
			c.Allowed = append(c.Allowed, name)
		}
	}
	if len(c.Allowed) == 0 {
		d.refuse(dialect.Missing("tool_choice.allowed_tools.tools"))
	}
}
