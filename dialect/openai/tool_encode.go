package openai

import (
	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func (e *requestEncoder) tools(tools []*llmv1.Tool) {
	if len(tools) == 0 {
		return
	}
	e.Name("tools")
	e.Array(func() {
		for i, t := range tools {
			if t.GetNative() != "" {
				e.nativeTool(index("prompt.tools", i), t)
				continue
			}
			writeTool(&e.Writer, t)
		}
	})
}

func writeTool(w *object.Writer, t *llmv1.Tool) {
	w.Patched(t.GetExtensions(), func() {
		w.Always("type", "function")
		w.Sub("function", func() {
			w.Always("name", t.GetName())
			w.Text("description", t.GetDescription())
			w.JSON("parameters", t.GetInputSchema())
			w.Bool("strict", t.Strict)
		})
	})
}

// nativeTool writes a tool that only OpenAI or one of its kin has: a custom one, or one whose extensions say that it came
// in this dialect.
func (e *requestEncoder) nativeTool(path string, t *llmv1.Tool) {
	r := read(t.GetNative())
	custom := word(r.Peek("type")) == "custom" && r.Has("custom")
	if !custom && t.GetExtensions()["type"] == "" {
		e.refuse(path+".native", "it is another vendor's own tool; leave it out")
		return
	}
	e.Value(object.Patch([]byte(t.GetNative()), t.GetExtensions()))
}

func (e *requestEncoder) toolChoice(c *llmv1.ToolChoice) {
	if c == nil {
		return
	}
	if c.GetMode() != llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_UNSPECIFIED || len(c.GetAllowed()) > 0 {
		e.Name("tool_choice")
		writeToolChoice(&e.Writer, c)
	}
	e.Bool("parallel_tool_calls", c.Parallel)
}

func writeToolChoice(w *object.Writer, c *llmv1.ToolChoice) {
	mode := choiceWord(c.GetMode())
	switch {
	case c.GetMode() == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_TOOL:
		w.Patched(c.GetExtensions(), func() { writeFunctionName(w, c.GetName()) })
	case len(c.GetAllowed()) > 0:
		w.Patched(c.GetExtensions(), func() {
			w.Always("type", "allowed_tools")
			w.Sub("allowed_tools", func() {
				w.Always("mode", mode)
				w.Name("tools")
				w.Array(func() {
					for _, name := range c.GetAllowed() {
						w.Object(func() { writeFunctionName(w, name) })
					}
				})
			})
		})
	default:
		w.String(mode)
	}
}

func writeFunctionName(w *object.Writer, name string) {
	w.Always("type", "function")
	w.Sub("function", func() { w.Always("name", name) })
}

func choiceWord(mode llmv1.ToolChoiceMode) string {
	switch mode {
	case llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_NONE:
		return "none"
	case llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_REQUIRED:
		return "required"
	}
	return "auto"
}
