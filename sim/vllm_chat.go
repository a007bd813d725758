package sim

import (
	"net/http"
	"strconv"
	"strings"
)

// vllmChat serves vLLM's POST /v1/chat/completions.
func (x *exchange) vllmChat() error {
	if x.in == nil {
		return x.fail(x.v.notJSON())
	}
	a, p := x.s.readVLLMChat(x.in)
	if p != nil {
		return x.fail(*p)
	}
	if x.plan.failAt >= 0 && !a.stream {
		return x.fail(problem{status: http.StatusInternalServerError})
	}
	c := &vllmCompletion{x: x, a: a, id: x.vllmID("chatcmpl-")}
	for i := range a.choices {
		c.answers = append(c.answers, a.answer(&x.plan, x.s.cfg.Seed, i))
	}
	c.usage = a.usage(&x.plan, c.answers)
	c.orca()
	err := c.send()
	if err != nil {
		x.book("abort", c.usage)
		return err
	}
	x.book(c.finish(&c.answers[0]), c.usage)
	return nil
}

// vllmID is the id of an answer: the request's own id, where its header or body names one.
func (x *exchange) vllmID(prefix string) string {
	if id := x.r.Header.Get("X-Request-Id"); id != "" {
		return prefix + id
	}
	if id := stringOf(x.in, "request_id"); id != "" {
		return prefix + id
	}
	return prefix + digestOf(x.s.cfg.Seed, x.body).hex(32)
}

// vllmCompletion is one chat completion of vLLM's on its way out.
type vllmCompletion struct {
	x       *exchange
	a       *ask
	id      string
	answers []answer
	usage   usage
	said    int // tokens that were streamed so far
}

func (c *vllmCompletion) send() error {
	if c.a.stream {
		return c.stream()
	}
	if err := c.x.out.sleep(c.x.plan.ttft); err != nil {
		return err
	}
	return c.x.json(http.StatusOK, c.body())
}

// orca is the load in a header, for those who ask for it.
func (c *vllmCompletion) orca() {
	l := c.x.load()
	kv, waiting := number64(l.kvCache), number64(float64(l.waiting))
	switch h := c.x.w.Header(); strings.ToUpper(c.x.r.Header.Get("Endpoint-Load-Metrics-Format")) {
	case "TEXT":
		h.Set("Endpoint-Load-Metrics", "TEXT named_metrics.kv_cache_usage_perc="+kv+", named_metrics.num_requests_waiting="+waiting)
	case "JSON":
		h.Set("Endpoint-Load-Metrics", `JSON {"named_metrics": {"kv_cache_usage_perc": `+kv+`, "num_requests_waiting": `+waiting+`}}`)
	}
}

// head appends what every object of the completion begins with, up to its choices.
func (c *vllmCompletion) head(b []byte, object string) []byte {
	b = appendString(append(b, `{"id":`...), c.id)
	b = append(append(append(b, `,"object":"`...), object...), `","created":`...)
	b = strconv.AppendInt(b, c.x.at.Unix(), 10)
	b = appendString(append(b, `,"model":`...), c.a.model.ID)
	return append(b, `,"choices":[`...)
}

// body is the whole answer.
func (c *vllmCompletion) body() []byte {
	b := c.head(make([]byte, 0, 1024), "chat.completion")
	for i := range c.answers {
		if i > 0 {
			b = append(b, ',')
		}
		a := &c.answers[i]
		b = field(b, `{"index":`, i)
		b = c.message(append(b, `,"message":`...), a)
		b = append(append(b, `,"logprobs":null,"finish_reason":"`...), c.finish(a)...)
		b = append(append(b, `","stop_reason":`...), c.stopReason(a)...)
		b = append(b, `,"token_ids":null}`...)
	}
	b = c.bill(append(b, `],"service_tier":null,"system_fingerprint":null,"usage":`...), c.usage)
	return append(b, `,"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}`...)
}

func (c *vllmCompletion) message(b []byte, a *answer) []byte {
	content := &a.text
	if len(a.calls) > 0 && a.text == "" {
		content = nil
	}
	b = append(b, `{"role":"assistant","content":`...)
	if tagged := c.tags(a) + a.text; c.x.plan.reasoning == "think" && tagged != "" {
		content = &tagged
	}
	b = appendNullable(b, content)
	b = append(b, `,"refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[`...)
	for i := range a.calls {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"id":"`...), vllmCallID(&a.calls[i])...), `","type":"function","function":{"name":`...)
		b = appendString(append(appendString(b, a.calls[i].name), `,"arguments":`...), a.calls[i].args)
		b = append(b, "}}"...)
	}
	b = append(b, ']')
	for _, key := range c.keys() {
		b = append(append(append(b, `,"`...), key...), `":`...)
		b = appendNullable(b, optional(c.thoughts(a)))
	}
	return append(b, '}')
}

// thoughts are what a client sees of them.
func (c *vllmCompletion) thoughts(a *answer) string {
	if c.a.thinking.omitted {
		return ""
	}
	return a.thinking
}

// keys are the members that carry thoughts: `reasoning` since late 2025, `reasoning_content` before, both in between, and
// none where the server has no reasoning parser.
func (c *vllmCompletion) keys() []string {
	switch c.x.plan.reasoning {
	case "both":
		return []string{"reasoning", "reasoning_content"}
	case "think":
		return nil
	}
	return []string{c.x.plan.reasoning}
}

// tags are the thoughts as they stand in the text of a server without a reasoning parser.
func (c *vllmCompletion) tags(a *answer) string {
	if c.x.plan.reasoning != "think" || a.thinking == "" {
		return ""
	}
	return "<think>\n" + a.thinking + "\n</think>\n\n"
}

func vllmCallID(k *call) string { return "chatcmpl-tool-" + k.id.hex(32) }

// finish is the finish_reason. There is no word for a refusal; a call that the request named ends with stop.
func (c *vllmCompletion) finish(a *answer) string {
	switch {
	case a.stop == stopLength:
		return "length"
	case a.stop == stopTools && c.a.pick.name == "":
		return "tool_calls"
	}
	return "stop"
}

// stopReason is the stop sequence that was met, or null.
func (c *vllmCompletion) stopReason(a *answer) []byte {
	return appendNullable(nil, optional(a.sequence))
}

// bill is the usage object; its details are there where there is something to tell.
func (c *vllmCompletion) bill(b []byte, u usage) []byte {
	b = field(b, `{"prompt_tokens":`, u.input)
	b = field(b, `,"total_tokens":`, u.input+u.output)
	b = field(b, `,"completion_tokens":`, u.output)
	if u.read > 0 {
		b = append(field(b, `,"prompt_tokens_details":{"cached_tokens":`, u.read), '}')
	} else {
		b = append(b, `,"prompt_tokens_details":null`...)
	}
	if u.thought > 0 {
		b = append(field(b, `,"completion_tokens_details":{"reasoning_tokens":`, u.thought), '}')
	}
	return append(b, '}')
}
