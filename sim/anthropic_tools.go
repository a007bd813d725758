package sim

import "net/http"

// readMessageTools reads tools and tool_choice. Server tools (with a versioned type) are accepted and never called.
func readMessageTools(r *reader, a *ask) {
	names := map[string]bool{}
	for i, raw := range r.list("tools") {
		t := r.element("tools", i, raw)
		t.need("name")
		name, sort := t.text("name"), t.text("type")
		if sort == "" || sort == "custom" {
			t.need("input_schema")
			t.inner("input_schema")
			a.tools = append(a.tools, tool{name, orEmpty(t.in["input_schema"])})
		}
		if names[name] {
			t.fail(problem{status: http.StatusBadRequest, message: "tools: Tool names must be unique."})
		}
		names[name] = true
		a.prompt.add(string(raw))
		markCache(t, a)
		r.merge(t)
	}
	readChoice(r, a, names)
}

func readChoice(r *reader, a *ask, names map[string]bool) {
	if !r.has("tool_choice") {
		return
	}
	c := r.inner("tool_choice")
	c.need("type")
	sort := c.choice("type", "auto", "any", "tool", "none")
	a.pick = pick{must: sort == "any" || sort == "tool", mustNot: sort == "none", single: c.truth("disable_parallel_tool_use", false)}
	if sort == "tool" {
		c.need("name")
		a.pick.name = c.text("name")
	}
	r.merge(c)
	switch {
	case len(names) == 0 && sort != "none":
		r.fail(problem{status: http.StatusBadRequest, message: "tool_choice: may only be specified while providing tools"})
	case sort == "tool" && !names[a.pick.name]:
		r.fail(problem{status: http.StatusBadRequest, message: "tool_choice: Tool '" + a.pick.name + "' not found in provided tools"})
	case a.pick.must && a.thinking.budgeted && !a.lax:
		r.fail(problem{status: http.StatusBadRequest, message: "Thinking may not be enabled when tool_choice forces tool use."})
	}
}
