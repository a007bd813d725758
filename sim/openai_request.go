package sim

import (
	"encoding/json"
	"net/http"
	"strings"
)

// set is a set of names.
func set(names string) map[string]bool {
	m := make(map[string]bool)
	for n := range strings.FieldsSeq(names) {
		m[n] = true
	}
	return m
}

// chatParams are all members of a chat completion request that the vendor documents.
var chatParams = set(`messages model max_completion_tokens max_tokens temperature top_p n stop presence_penalty
	frequency_penalty logit_bias seed logprobs top_logprobs stream stream_options tools tool_choice parallel_tool_calls
	response_format reasoning_effort verbosity modalities audio prediction web_search_options service_tier store
	metadata user safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options moderation functions
	function_call`)

// readChat reads and checks the body of POST /v1/chat/completions.
func (s *Sim) readChat(in object) (*ask, *problem) {
	r := &reader{v: openAI, in: in}
	r.need("model")
	a := &ask{maxTokens: never}
	id := withoutScript(r.text("model"))
	r.need("messages")
	r.only(chatParams)
	readChatOptions(r, a)
	readChatTools(r, a)
	readChatMessages(r, a)
	a.schema = readChatFormat(r, a)
	if r.bad != nil {
		return nil, r.bad
	}
	var p *problem
	if a.model, p = s.chatModel(openAI, id); p != nil {
		return nil, p
	}
	readReasoning(r, a)
	return a, r.bad
}

func readChatOptions(r *reader, a *ask) {
	a.stream = r.truth("stream", false)
	a.choices = r.whole("n", 1, 128, 1)
	a.maxTokens = r.whole("max_tokens", 1, 1<<31-1, never)
	a.maxTokens = r.whole("max_completion_tokens", 1, 1<<31-1, a.maxTokens)
	a.stops = readStops(r)
	r.decimal("temperature", 0, 2, 1)
	r.decimal("top_p", 0, 1, 1)
	r.decimal("presence_penalty", -2, 2, 0)
	r.decimal("frequency_penalty", -2, 2, 0)
	r.whole("seed", -1<<62, 1<<62, 0)
	r.whole("top_logprobs", 0, 20, 0)
	r.truth("logprobs", false)
	r.text("user")
	r.take("metadata", "an object", &map[string]string{})
	if r.has("stream_options") && !a.stream {
		r.fail(r.v.complain("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.", ""))
	}
	opts := r.inner("stream_options")
	a.withUsage, a.obfuscate = opts.truth("include_usage", false), opts.truth("include_obfuscation", false)
	r.merge(opts)
}

// readStops reads one stop sequence or up to four.
func readStops(r *reader) []string {
	if kind(r.in["stop"]) == "a string" {
		return []string{r.text("stop")}
	}
	var stops []string
	r.take("stop", "one of a string or array of strings", &stops)
	if len(stops) > 4 {
		r.fail(r.v.complain("stop", "array_above_max_length",
			"Invalid 'stop': array too long. Expected an array with maximum length 4.", ""))
	}
	return stops
}

// readReasoning applies what the vendor's reasoning models add and refuse.
func readReasoning(r *reader, a *ask) {
	effort := r.choice("reasoning_effort", "none", "minimal", "low", "medium", "high", "xhigh", "max")
	if !reasons(a.model.ID) {
		return
	}
	a.effort = effort
	if r.has("max_tokens") {
		r.fail(problem{
			status: http.StatusBadRequest, kind: invalidRequest, code: "unsupported_parameter", param: "max_tokens",
			message: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
		})
	}
	for _, name := range []string{"temperature", "top_p"} {
		if r.decimal(name, 0, 2, 1) != 1 {
			r.fail(problem{
				status: http.StatusBadRequest, kind: invalidRequest, code: "unsupported_value", param: name,
				message: "Unsupported value: '" + name + "' does not support " + string(r.in[name]) +
					" with this model. Only the default (1) value is supported.",
			})
		}
	}
}

// readChatFormat is the schema a JSON answer has to satisfy.
func readChatFormat(r *reader, a *ask) json.RawMessage {
	f := r.inner("response_format")
	defer r.merge(f)
	if !r.has("response_format") {
		return nil
	}
	f.need("type")
	switch f.choice("type", "text", "json_object", "json_schema") {
	case "json_object":
		if !strings.Contains(strings.ToLower(string(r.in["messages"])), "json") {
			r.fail(r.v.complain("messages", "", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.", ""))
		}
		return json.RawMessage(`{"type":"object","properties":{"answer":{"type":"string"}}}`)
	case "json_schema":
		js := f.inner("json_schema")
		f.need("json_schema")
		js.need("name")
		f.merge(js)
		a.prompt.add(string(js.in["schema"]))
		return orEmpty(js.in["schema"])
	}
	return nil
}

// orEmpty is the schema, or the one that allows any object.
func orEmpty(schema json.RawMessage) json.RawMessage {
	if len(schema) == 0 {
		return json.RawMessage(`{"type":"object"}`)
	}
	return schema
}
