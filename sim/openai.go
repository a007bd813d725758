package sim

import (
	"net/http"
	"strconv"
)

// chat serves POST /v1/chat/completions.
func (x *exchange) chat() error {
	if x.in == nil {
		return x.fail(x.v.notJSON())
	}
	a, p := x.s.readChat(x.in)
	if p != nil {
		return x.fail(*p)
	}
	if x.plan.failAt >= 0 && !a.stream {
		return x.fail(problem{status: http.StatusInternalServerError})
	}
	c := &completion{x: x, a: a, d: digestOf(x.s.cfg.Seed, x.body)}
	for i := range a.choices {
		c.answers = append(c.answers, a.answer(&x.plan, x.s.cfg.Seed, i))
	}
	c.usage = a.usage(&x.plan, c.answers)
	x.spent = c.usage
	if a.stream {
		return c.stream()
	}
	if err := x.out.sleep(x.plan.ttft); err != nil {
		return err
	}
	return x.json(http.StatusOK, c.body())
}

// completion is one chat completion on its way out.
type completion struct {
	x       *exchange
	a       *ask
	d       digest
	answers []answer
	usage   usage
	buf     []byte
	prefix  []byte // what every chunk begins with
}

// head appends what every object of the completion begins with.
func (c *completion) head(b []byte, object string) []byte {
	b = append(append(b, `{"id":"`...), c.d.id("chatcmpl-", 29)...)
	b = append(append(b, `","object":"`...), object...)
	b = strconv.AppendInt(append(b, `","created":`...), c.x.at.Unix(), 10)
	b = appendString(append(b, `,"model":`...), c.a.model.snapshot())
	b = append(b, `,"service_tier":"default","system_fingerprint":"fp_`...)
	b = append(b, digestOf("fingerprint", []byte(c.a.model.snapshot())).hex(10)...)
	return append(b, `","choices":[`...)
}

// body is the unary answer.
func (c *completion) body() []byte {
	b := c.head(make([]byte, 0, 1024), "chat.completion")
	for i := range c.answers {
		if i > 0 {
			b = append(b, ',')
		}
		b = field(b, `{"index":`, i)
		b = c.message(append(b, `,"message":`...), &c.answers[i])
		b = append(b, `,"logprobs":null,"finish_reason":"`...)
		b = append(append(b, c.finish(&c.answers[i])...), `"}`...)
	}
	b = append(append(b, `],"usage":`...), c.usage.openAI()...)
	return append(b, '}')
}

func (c *completion) message(b []byte, a *answer) []byte {
	content, refusal := c.said(a)
	b = appendNullable(append(b, `{"role":"assistant","content":`...), content)
	b = appendNullable(append(b, `,"refusal":`...), refusal)
	b = append(b, `,"annotations":[]`...)
	if len(a.calls) > 0 {
		b = append(b, `,"tool_calls":[`...)
		for i := range a.calls {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, '{'), chatCall(&a.calls[i])...)
			b = append(appendString(b, a.calls[i].args), `}}`...)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// said is the answer's text, as content or as refusal; a tool call comes without.
func (c *completion) said(a *answer) (content, refusal *string) {
	switch {
	case len(a.calls) > 0:
		return nil, nil
	case a.stop == stopRefusal:
		return nil, &a.text
	}
	return &a.text, nil
}

// chatCall opens a tool call, up to the arguments.
func chatCall(k *call) []byte {
	b := append([]byte(`"id":"`), k.id.id("call_", 24)...)
	b = appendString(append(b, `","type":"function","function":{"name":`...), k.name)
	return append(b, `,"arguments":`...)
}

// finish is the finish_reason. A call that the request named ends with stop, as at the vendor.
func (c *completion) finish(a *answer) string {
	switch {
	case a.stop == stopLength:
		return "length"
	case a.stop == stopTools && c.a.pick.name == "":
		return "tool_calls"
	}
	return "stop"
}

func appendNullable(b []byte, s *string) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	return appendString(b, *s)
}
