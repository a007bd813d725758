package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// tgiInvalid is TGI's refusal of a request that is well-formed.
func tgiInvalid(format string, args ...any) problem {
	return problem{status: http.StatusUnprocessableEntity, kind: "validation", message: "Input validation error: " + fmt.Sprintf(format, args...)}
}

// readTGIChat reads the body of TGI's POST /v1/chat/completions. A body of the wrong type and a mistake about tools are
// told at once (refused); what the validation finds is told within a stream, if there is one (invalid).
func (s *Sim) readTGIChat(in object) (a *ask, refused, invalid *problem) {
	r := &reader{v: tgi, in: in}
	a = &ask{choices: 1, maxTokens: never, lax: true}
	r.need("messages")
	a.stream = r.truth("stream", false)
	a.withUsage = r.inner("stream_options").truth("include_usage", false)
	r.take("max_tokens", "an integer", &a.maxTokens)
	for _, name := range []string{"logprobs"} {
		r.truth(name, false)
	}
	r.take("stop", "an array", &a.stops)
	readTGITools(r, a)
	readChatMessages(r, a)
	a.schema = readGrammar(r, "response_format", a)
	if r.bad != nil {
		return nil, r.bad, nil
	}
	if r.has("response_format") && len(a.tools) > 0 {
		p := problem{status: http.StatusUnprocessableEntity, kind: "tool_error", message: "Tool error: Grammar and tools are mutually exclusive"}
		return nil, &p, nil
	}
	id := withoutScript(r.text("model"))
	if id == "" {
		id = tgi.String()
	}
	a.model, _ = s.lookup(tgi, id)
	a.validate(r, s.cfg.TGI.Context)
	return a, nil, r.bad
}

// validate is TGI's validation, the same for a chat and for a prompt.
func (a *ask) validate(r *reader, context int) {
	if len(a.stops) > 4 {
		r.fail(tgiInvalid("`stop` supports up to 4 stop sequences. Given: %d", len(a.stops)))
	}
	if f := r.number("temperature"); f < 0 {
		r.fail(tgiInvalid("`temperature` must be strictly positive"))
	}
	if f := r.number("top_p"); r.has("top_p") && (f <= 0 || f >= 1) {
		r.fail(tgiInvalid("`top_p` must be > 0.0 and < 1.0"))
	}
	if f := r.number("typical_p"); r.has("typical_p") && (f <= 0 || f >= 1) {
		r.fail(tgiInvalid("`typical_p` must be > 0.0 and < 1.0"))
	}
	if r.number("repetition_penalty") <= 0 {
		r.fail(tgiInvalid("`repetition_penalty` must be strictly positive"))
	}
	if f := r.number("frequency_penalty"); f < -2 || f > 2 {
		r.fail(tgiInvalid("`frequency_penalty` must be >= -2.0 and <= 2.0"))
	}
	switch {
	case a.maxTokens == 0:
		r.fail(tgiInvalid("`max_new_tokens` must be strictly positive"))
	case a.prompt.tokens >= context:
		r.fail(tgiInvalid("`inputs` must have less than %d tokens. Given: %d", context, a.prompt.tokens))
	case a.maxTokens < 0:
		a.maxTokens = context - a.prompt.tokens
	case a.prompt.tokens+a.maxTokens > context:
		r.fail(tgiInvalid("`inputs` tokens + `max_new_tokens` must be <= %d. Given: %d `inputs` tokens and %d `max_new_tokens`",
			context, a.prompt.tokens, a.maxTokens))
	}
}

// readTGITools reads tools and tool_choice. There is one call at most.
func readTGITools(r *reader, a *ask) {
	for i, raw := range r.list("tools") {
		t := r.element("tools", i, raw)
		t.need("type")
		t.need("function")
		f := t.inner("function")
		f.need("name")
		a.tools = append(a.tools, tool{f.text("name"), orEmpty(f.in["parameters"])})
		t.merge(f)
		r.merge(t)
		a.prompt.add(string(raw))
	}
	a.pick.single = true
	if kind(r.in["tool_choice"]) == "a string" {
		switch word := r.text("tool_choice"); word {
		case "auto":
		case "none":
			a.pick.mustNot = true
		case "required":
			a.pick.must = true
		default: // the name of a tool, too
			a.pick.must, a.pick.name = true, word
		}
	} else if r.has("tool_choice") {
		c := r.inner("tool_choice")
		a.pick.must, a.pick.name = true, c.inner("function").text("name")
		r.merge(c)
	}
	if a.pick.name != "" && !knows(a.tools, a.pick.name) {
		r.fail(problem{status: http.StatusUnprocessableEntity, kind: "tool_error", message: "Tool error: Tool with name " + a.pick.name + " not found"})
	}
}

// readGrammar is the schema of a constrained answer. The schema stands under value: OpenAI's own form isn't read.
func readGrammar(r *reader, name string, a *ask) json.RawMessage {
	if !r.has(name) {
		return nil
	}
	f := r.inner(name)
	f.need("type")
	f.need("value")
	schema := f.in["value"]
	switch sort := f.text("type"); sort {
	case "json", "json_object":
	case "json_schema":
		v := f.inner("value")
		v.need("schema")
		schema = v.in["schema"]
		f.merge(v)
	case "regex":
		f.text("value")
		schema = nil
	default:
		f.fail(undeserialized(f.path("type"), "unknown variant `"+sort+"`, expected one of `json`, `regex`, `json_schema`"))
	}
	r.merge(f)
	a.prompt.add(string(schema))
	return schema
}
