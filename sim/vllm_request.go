package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// readVLLMChat reads and checks the body of vLLM's POST /v1/chat/completions. Members it doesn't know are ignored; the
// sampling parameters of its own are checked, and can be seen in Requests.
func (s *Sim) readVLLMChat(in object) (*ask, *problem) {
	r := &reader{v: vLLM, in: in}
	a := &ask{choices: 1, maxTokens: never, lax: true}
	r.need("messages")
	readVLLMOptions(r, a)
	readVLLMSampling(r)
	readVLLMTools(r, a)
	readChatMessages(r, a)
	readVLLMThinking(r, a)
	a.schema = readVLLMFormat(r, a)
	if r.bad != nil {
		return nil, r.bad
	}
	var p *problem
	if a.model, p = s.vllmServed(r); p != nil {
		return nil, p
	}
	return a, tooLong(a, s.cfg.VLLM.Context)
}

// vllmServed is the model that is asked for: the first one if none is named.
func (s *Sim) vllmServed(r *reader) (Model, *problem) {
	id := withoutScript(r.text("model"))
	if id != "" {
		return s.chatModel(vLLM, id)
	}
	for _, m := range s.cfg.Models {
		if m.Vendor == vLLM.String() && m.Dimensions == 0 {
			return m, nil
		}
	}
	return s.chatModel(vLLM, "none")
}

// tooLong is the refusal of what doesn't fit into the context; without a limit the answer gets what is left of it.
func tooLong(a *ask, context int) *problem {
	left := context - a.prompt.tokens
	if a.maxTokens < 0 && left > 0 {
		a.maxTokens = left
	}
	if a.maxTokens >= 0 && a.maxTokens <= left {
		return nil
	}
	return &problem{status: http.StatusBadRequest, message: fmt.Sprintf(
		"This model's maximum context length is %d tokens. However, you requested %d tokens (%d in the messages, %d in the completion). "+
			"Please reduce the length of the messages or completion.", context, a.prompt.tokens+max(a.maxTokens, 0), a.prompt.tokens, max(a.maxTokens, 0))}
}

func readVLLMOptions(r *reader, a *ask) {
	a.stream = r.truth("stream", false)
	a.choices = r.whole("n", 1, 16384, 1)
	a.maxTokens = r.whole("max_tokens", 1, 1<<31-1, never)
	a.maxTokens = r.whole("max_completion_tokens", 1, 1<<31-1, a.maxTokens)
	if kind(r.in["stop"]) == "a string" {
		a.stops = []string{r.text("stop")}
	} else {
		r.take("stop", "an array", &a.stops)
	}
	if r.has("stream_options") && !a.stream {
		r.fail(vllmComplaint("stream_options", "value_error", "Value error, Stream options can only be defined when `stream=True`."))
	}
	opts := r.inner("stream_options")
	a.eachUsage = opts.truth("continuous_usage_stats", false)
	a.withUsage = opts.truth("include_usage", false)
	r.merge(opts)
	if r.whole("priority", -1<<31, 1<<31-1, 0) != 0 {
		r.fail(problem{status: http.StatusBadRequest, message: "Got priority but Priority scheduling is not enabled."})
	}
}

// vllmBounds are the sampling parameters with what vLLM takes of them.
var vllmBounds = []struct {
	name   string
	lo, hi float64
}{
	{"temperature", 0, 1 << 20},
	{"top_p", 0, 1},
	{"min_p", 0, 1},
	{"presence_penalty", -2, 2},
	{"frequency_penalty", -2, 2},
	{"repetition_penalty", 0, 1 << 20},
	{"length_penalty", -1 << 20, 1 << 20},
}

func readVLLMSampling(r *reader) {
	for _, b := range vllmBounds {
		if f := r.number(b.name); f < b.lo || f > b.hi {
			r.fail(problem{status: http.StatusBadRequest, param: b.name, message: fmt.Sprintf("%s must be in [%s, %s], got %s.", b.name, plain(b.lo), plain(b.hi), plain(f))})
		}
	}
	for _, name := range []string{"top_k", "seed", "min_tokens", "truncate_prompt_tokens", "prompt_logprobs", "top_logprobs", "thinking_token_budget"} {
		r.whole(name, -1<<62, 1<<62, 0)
	}
	for _, name := range []string{
		"use_beam_search", "ignore_eos", "skip_special_tokens", "spaces_between_special_tokens", "include_stop_str_in_output", "echo",
		"add_generation_prompt", "continue_final_message", "add_special_tokens", "logprobs", "return_token_ids",
	} {
		r.truth(name, false)
	}
	r.take("stop_token_ids", "an array", &[]int{})
	r.take("bad_words", "an array", &[]string{})
	r.take("logit_bias", "an object", &map[string]float64{})
}

// number is a number member without bounds; absent it is one that is within all.
func (r *reader) number(name string) float64 {
	f := 1.0
	r.take(name, "a decimal", &f)
	return f
}

func readVLLMTools(r *reader, a *ask) {
	for i, raw := range r.list("tools") {
		t := r.element("tools", i, raw)
		t.need("function")
		f := t.inner("function")
		f.need("name")
		a.tools = append(a.tools, tool{f.text("name"), orEmpty(f.in["parameters"])})
		t.merge(f)
		r.merge(t)
		a.prompt.add(string(raw))
	}
	a.pick.single = !r.truth("parallel_tool_calls", true)
	if word := stringOf(r.in, "tool_choice"); r.has("tool_choice") && word != "none" && len(a.tools) == 0 {
		r.fail(vllmComplaint("tool_choice", "value_error", "Value error, When using `tool_choice`, `tools` must be set."))
	}
	readToolChoice(r, a)
}

// readVLLMThinking: a model with a reasoning parser thinks aloud when it is told how hard, or that it should.
func readVLLMThinking(r *reader, a *ask) {
	effort := r.choice("reasoning_effort", "none", "minimal", "low", "medium", "high", "xhigh", "max")
	kwargs := r.inner("chat_template_kwargs")
	a.thinking.on = kwargs.truth("enable_thinking", effort != "" && effort != "none")
	a.thinking.omitted = !r.truth("include_reasoning", true)
	r.merge(kwargs)
}

// readVLLMFormat is the schema of a structured answer, in the form of OpenAI's or in one of vLLM's own.
func readVLLMFormat(r *reader, a *ask) json.RawMessage {
	f := r.inner("response_format")
	switch f.choice("type", "text", "json_object", "json_schema", "structural_tag") {
	case "json_object":
		return json.RawMessage(`{"type":"object","properties":{"answer":{"type":"string"}}}`)
	case "json_schema":
		f.need("json_schema")
		js := f.inner("json_schema")
		js.need("name")
		f.merge(js)
		a.prompt.add(string(js.in["schema"]))
		r.merge(f)
		return orEmpty(js.in["schema"])
	}
	r.merge(f)
	o := r.inner("structured_outputs")
	r.merge(o)
	switch {
	case o.has("json"):
		return o.in["json"]
	case r.has("guided_json"):
		return r.in["guided_json"]
	}
	return nil
}
