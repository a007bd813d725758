package anthropic

import (
	"slices"

	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// tools takes the tools that the model may call.
func (q *reading) tools(value []byte) *flaw {
	delete(q.prompt.Extensions, "tools")
	q.prompt.Tools = nil
	switch rawjson.Kind(value) {
	case 'a', 'n':
	default:
		return wrong("tools", "must be an array of tools")
	}
	for i, raw := range object.Elements(value) {
		t, f := readTool(raw)
		if f != nil {
			return f.at(i).in("tools")
		}
		q.prompt.Tools = append(q.prompt.Tools, t)
	}
	if len(q.prompt.GetTools()) == 0 {
		q.extend("tools", string(value))
	}
	return nil
}

// readTool reads a tool. A tool without a type is the client's own, one with a type the vendor's.
func readTool(raw []byte) (*llmv1.Tool, *flaw) {
	r, ok := object.Read(raw)
	if !ok {
		return nil, wrong("", "must be an object")
	}
	kind, _ := rawjson.Unquote(r.Peek("type"))
	switch {
	case openAITool(string(kind), r):
		return nil, wrong("type", "is of OpenAI's tools; Anthropic's have name and input_schema side by side, and no type")
	case r.Has("type") && string(kind) != "custom":
		name, _ := rawjson.Unquote(r.Peek("name"))
		return &llmv1.Tool{Name: string(name), Native: string(raw)}, nil
	}
	name, f := needString(r, "name")
	t := &llmv1.Tool{Name: name, Description: r.Text("description"), Strict: r.Bool("strict")}
	r.Take("input_schema", func(value []byte) bool {
		t.InputSchema = string(value)
		return rawjson.Kind(value) == 'o' && schemaOf(t.InputSchema) == t.InputSchema
	})
	t.Extensions = r.Left()
	if !r.Has("input_schema") {
		t.Extensions = with(t.Extensions, "input_schema", "")
	}
	return t, f
}

func with(extensions map[string]string, path, value string) map[string]string {
	if extensions == nil {
		extensions = make(map[string]string)
	}
	extensions[path] = value
	return extensions
}

// openAITool reports whether a tool is written as OpenAI's are: what it is stands in an object named as its type.
func openAITool(kind string, r *object.Reader) bool {
	return (kind == "function" || kind == "custom") && rawjson.Kind(r.Peek(kind)) == 'o'
}

// foreign reports whether a native tool is another vendor's.
func foreign(t *llmv1.Tool) bool {
	r, ok := object.Read([]byte(t.GetNative()))
	kind, _ := rawjson.Unquote(r.Peek("type"))
	return !ok || openAITool(string(kind), r)
}

// schemaOf is a schema as Anthropic takes it: it has to say that the arguments are an object.
func schemaOf(schema string) string {
	if schema == "" {
		return `{"type":"object","properties":{}}`
	}
	if r, ok := object.Read([]byte(schema)); ok && !r.Has("type") {
		return string(object.Patch([]byte(schema), map[string]string{"type": `"object"`}))
	}
	return schema
}

func writeTool(w *object.Writer, t *llmv1.Tool) {
	if t.GetNative() != "" {
		w.Value(object.Patch([]byte(t.GetNative()), t.GetExtensions()))
		return
	}
	w.Patched(t.GetExtensions(), func() {
		w.Always("name", t.GetName())
		w.Text("description", t.GetDescription())
		w.JSON("input_schema", schemaOf(t.GetInputSchema()))
		w.Bool("strict", t.Strict)
	})
}

var choices = map[string]llmv1.ToolChoiceMode{
	"auto": llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_AUTO, "any": llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_REQUIRED,
	"tool": llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_TOOL, "none": llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_NONE,
}

// readToolChoice reads the rule for calling tools; nil where it is none that Headgate knows.
func readToolChoice(raw []byte) *llmv1.ToolChoice {
	r, ok := object.Read(raw)
	word, _ := rawjson.Unquote(r.Peek("type"))
	mode, known := choices[string(word)]
	if !ok || !known {
		return nil
	}
	c := &llmv1.ToolChoice{Mode: mode}
	if mode == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_TOOL {
		c.Name = r.Text("name")
	}
	if b := r.Bool("disable_parallel_tool_use"); b != nil {
		parallel := !*b
		c.Parallel = &parallel
	}
	var w object.Writer
	writeToolChoice(&w, c)
	c.Extensions = object.Diff(raw, w.Bytes())
	return c
}

func choiceWord(mode llmv1.ToolChoiceMode) string {
	for word, m := range choices {
		if m == mode {
			return word
		}
	}
	return "auto"
}

func writeToolChoice(w *object.Writer, c *llmv1.ToolChoice) {
	w.Patched(c.GetExtensions(), func() {
		w.Always("type", choiceWord(c.GetMode()))
		w.Text("name", c.GetName())
		if c.Parallel != nil && c.GetMode() != llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_NONE {
			one := !c.GetParallel()
			w.Bool("disable_parallel_tool_use", &one)
		}
	})
}

// choice is the rule for calling tools as it is to be written; nil for none. Anthropic takes none without tools.
func (q *asking) choice() *llmv1.ToolChoice {
	c := q.prompt.GetToolChoice()
	switch {
	case c == nil || len(q.prompt.GetTools()) == 0:
		return nil
	case c.GetMode() == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_UNSPECIFIED && (c.Parallel == nil || c.GetParallel()):
		return nil
	}
	return c
}

// writeTools writes the tools; where only some may be called, those.
func (q *asking) writeTools(w *object.Writer) {
	allowed := q.prompt.GetToolChoice().GetAllowed()
	tools := slices.DeleteFunc(slices.Clone(q.prompt.GetTools()), func(t *llmv1.Tool) bool {
		return len(allowed) > 0 && !slices.Contains(allowed, t.GetName())
	})
	if len(tools) == 0 {
		return
	}
	w.Name("tools")
	w.Array(func() {
		for _, t := range tools {
			writeTool(w, t)
		}
	})
}
