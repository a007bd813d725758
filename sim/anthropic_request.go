package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// messageParams are all members of a messages request that the vendor documents, beta ones included.
var messageParams = set(`model max_tokens messages system stream stop_sequences temperature top_p top_k thinking tools
	tool_choice metadata service_tier output_config output_format cache_control container inference_geo speed diagnostics
	context_management mcp_servers betas fallbacks`)

// The API versions that the vendor accepts. The newest refuses sampling parameters.
const newestVersion = "2026-10-21"

var versions = set("2023-01-01 2023-06-01 " + newestVersion)

// checkVersion is the vendor's demand for a version header.
func checkVersion(h http.Header) *problem {
	switch v := h.Get("anthropic-version"); {
	case v == "":
		return &problem{status: http.StatusBadRequest, message: "anthropic-version: header is required"}
	case !versions[v]:
		return &problem{status: http.StatusBadRequest, message: fmt.Sprintf("anthropic-version: %q is not a valid version", v)}
	}
	return nil
}

// messagesAsked is where a messages request goes: vLLM speaks Anthropic's dialect too, and is less strict.
type messagesAsked struct {
	host    vendor
	version string
	count   bool // tokens are counted, no answer is wanted
}

// readMessages reads and checks the body of POST /v1/messages, or of count_tokens when that is what is counted.
func (s *Sim) readMessages(in object, o messagesAsked) (*ask, *problem) {
	r := &reader{v: anthropic, in: in}
	a := &ask{choices: 1, maxTokens: never, lax: o.host != anthropic}
	r.need("model")
	id := withoutScript(r.text("model"))
	r.need("messages")
	if !o.count {
		r.need("max_tokens")
		a.maxTokens = r.whole("max_tokens", 0, 1<<31-1, never)
	}
	if !a.lax {
		if r.has("thread") {
			r.fail(noThreads())
		}
		r.only(messageParams)
	}
	readMessageOptions(r, a, o.version)
	readMessageTools(r, a)
	readSystem(r, a)
	turns := &conversation{a: a, seed: s.cfg.Seed, newest: o.version == newestVersion}
	turns.read(r)
	if r.has("cache_control") {
		a.prompt.mark(hour(r.in["cache_control"]))
	}
	if r.bad != nil {
		return nil, r.bad
	}
	var p *problem
	a.model, p = s.chatModel(o.host, id)
	return a, p
}

func readMessageOptions(r *reader, a *ask, version string) {
	a.stream = r.truth("stream", false)
	for _, name := range []string{"temperature", "top_p", "top_k"} {
		if _, ok := r.in[name]; ok && version == newestVersion {
			r.fail(r.v.complain(name, "", "", "this parameter is not supported in API version "+newestVersion))
		}
	}
	r.decimal("temperature", 0, 1, 1)
	r.decimal("top_p", 0, 1, 1)
	r.whole("top_k", 0, 1<<31-1, 0)
	r.take("stop_sequences", "an array", &a.stops)
	m := r.inner("metadata")
	m.text("user_id")
	r.merge(m)
	readThinking(r, a)
	readOutputConfig(r, a)
}

func readThinking(r *reader, a *ask) {
	t := r.inner("thinking")
	if r.has("thinking") {
		t.need("type")
	}
	switch t.choice("type", "enabled", "adaptive", "disabled", "between_tools") {
	case "enabled":
		t.need("budget_tokens")
		budget := t.whole("budget_tokens", 1024, 1<<31-1, 1024)
		if a.maxTokens >= 0 && budget >= a.maxTokens {
			t.fail(problem{status: http.StatusBadRequest, message: "`max_tokens` must be greater than `thinking.budget_tokens`. " +
				"Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size"})
		}
		a.thinking.on, a.thinking.budgeted = true, true
	case "adaptive":
		a.thinking.on = true
	}
	a.thinking.omitted = t.choice("display", "summarized", "omitted") == "omitted"
	r.merge(t)
}

func readOutputConfig(r *reader, a *ask) {
	c := r.inner("output_config")
	c.choice("effort", "low", "medium", "high", "xhigh", "max")
	f := c.inner("format")
	if c.has("format") {
		f.need("type")
		f.need("schema")
		f.choice("type", "json_schema")
		a.schema = f.in["schema"]
		a.prompt.add(string(a.schema))
	}
	c.merge(f)
	r.merge(c)
}

// readSystem counts the system prompt, a string or text blocks.
func readSystem(r *reader, a *ask) {
	if kind(r.in["system"]) == "a string" {
		a.prompt.add(r.text("system"))
		return
	}
	for i, raw := range r.list("system") {
		b := r.element("system", i, raw)
		b.choice("type", "text")
		a.prompt.add(b.text("text"))
		markCache(b, a)
		r.merge(b)
	}
}

// markCache notes a block's cache_control: the prompt up to here is cached.
func markCache(b *reader, a *ask) {
	if !b.has("cache_control") {
		return
	}
	c := b.inner("cache_control")
	c.choice("type", "ephemeral")
	c.choice("ttl", "5m", "1h")
	b.merge(c)
	a.prompt.mark(hour(b.in["cache_control"]))
}

func hour(cacheControl json.RawMessage) bool {
	var c struct{ TTL string }
	return json.Unmarshal(cacheControl, &c) == nil && c.TTL == "1h"
}

// noThreads: the simulator keeps no conversations, and says so in the words that make the SDKs' tool runners send all of it.
func noThreads() problem {
	return problem{
		status: http.StatusBadRequest, kind: invalidRequest, code: "thread_unsupported_request", unsupported: []string{"thread"},
		message: "thread: this request can't be held as a thread",
	}
}
