package sim

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// tgiRelease is what answers carry as system_fingerprint.
const tgiRelease = "3.3.6-sim"

// tgiChat serves TGI's POST /v1/chat/completions.
func (x *exchange) tgiChat() error {
	if x.in == nil {
		return x.fail(x.v.notJSON())
	}
	a, refused, invalid := x.s.readTGIChat(x.in)
	switch {
	case refused != nil:
		return x.fail(*refused)
	case invalid != nil:
		return x.tgiFail(*invalid, a.stream)
	case x.plan.failAt >= 0 && !a.stream:
		return x.fail(problem{status: http.StatusFailedDependency, code: x.plan.code})
	}
	c := &tgiCompletion{x: x, a: a, answer: a.answer(&x.plan, x.s.cfg.Seed, 0)}
	c.usage = a.usage(&x.plan, []answer{c.answer})
	x.tgiHeaders(a, c.usage)
	err := c.send()
	if err != nil {
		return err
	}
	x.book("stop", c.usage)
	return nil
}

// tgiFail tells a problem that comes up after a stream has been promised as an event of it, and else as a body.
func (x *exchange) tgiFail(p problem, stream bool) error {
	if !stream {
		return x.fail(p)
	}
	if err := x.startStream(http.StatusOK); err != nil {
		return err
	}
	return x.tgiFailure(p)
}

// tgiFailure is the last event of a stream that failed: in a chat always with status 422, and with [DONE] behind it.
func (x *exchange) tgiFailure(p problem) error {
	p = x.v.complete(p)
	if x.path != chatPath {
		return x.out.event("", encode(x.v.errorObject(p)))
	}
	type inner struct {
		Message string `json:"message"`
		Status  int    `json:"http_status_code"`
	}
	if err := x.out.event("", encode(openAIError{inner{p.message, http.StatusUnprocessableEntity}})); err != nil {
		return err
	}
	return x.tgiDone()
}

func (x *exchange) tgiDone() error {
	if x.plan.noTerminal {
		return nil
	}
	return x.out.event("", []byte("[DONE]"))
}

const chatPath = "/v1/chat/completions"

// overloaded is what a server says that has too many requests: TGI says it within a stream.
func (x *exchange) overloaded() error {
	stream := x.path == "/generate_stream"
	if !stream {
		r := &reader{v: x.v, in: x.in}
		stream = x.path != "/generate" && r.truth("stream", false)
	}
	return x.tgiFail(problem{status: http.StatusTooManyRequests}, stream)
}

// tgiHeaders tell what an answer took; those that say the usage of a native request are on whole answers alone.
func (x *exchange) tgiHeaders(a *ask, u usage) {
	h := x.w.Header()
	h["X-Compute-Type"] = []string{"1-sim"}
	h["X-Compute-Characters"] = []string{strconv.Itoa(len(a.user))}
	if a.stream {
		return
	}
	for name, value := range map[string]int{
		"X-Total-Time": 45, "X-Validation-Time": 1, "X-Queue-Time": 2, "X-Inference-Time": 42, "X-Time-Per-Token": 42 / max(u.output, 1),
		"X-Prompt-Tokens": u.input, "X-Generated-Tokens": u.output,
	} {
		h[name] = []string{strconv.Itoa(value)}
	}
	h["X-Compute-Time"] = []string{"0.045"}
}

// tgiCompletion is one chat completion of TGI's on its way out.
type tgiCompletion struct {
	x      *exchange
	a      *ask
	answer answer
	usage  usage
	sent   int // chunks so far
}

func (c *tgiCompletion) send() error {
	if !c.a.stream {
		if err := c.x.out.sleep(c.x.plan.ttft); err != nil {
			return err
		}
		return c.x.json(http.StatusOK, c.body())
	}
	if err := c.x.startStream(http.StatusOK); err != nil {
		return err
	}
	err := c.events()
	if errors.Is(err, errFail) {
		c.x.plan.failAt = never
		return c.x.tgiFailure(problem{status: http.StatusFailedDependency, code: c.x.plan.code})
	}
	return err
}

// head appends what every object of the completion begins with: the id is always empty, and the time goes on.
func (c *tgiCompletion) head(b []byte, object string) []byte {
	b = append(append(append(b, `{"object":"`...), object...), `","id":"","created":`...)
	at := c.x.at.Add(time.Duration(c.sent/20) * time.Second)
	b = strconv.AppendInt(b, at.Unix(), 10)
	b = appendString(append(b, `,"model":`...), c.a.model.snapshot())
	return append(b, `,"system_fingerprint":"`+tgiRelease+`","choices":[`...)
}

// finish is the finish_reason of text: the stop sequence's leaks as it is.
func (c *tgiCompletion) finish() string {
	switch c.answer.stop {
	case stopLength:
		return "length"
	case stopSequence:
		return "stop_sequence"
	}
	return "stop"
}

// body is the whole answer. A tool call has the id 0 and ends with stop.
func (c *tgiCompletion) body() []byte {
	b := append(c.head(nil, "chat.completion"), `{"index":0,"message":{"role":"assistant"`...)
	if calls := c.answer.calls; len(calls) > 0 {
		b = append(b, `,"tool_calls":[{"id":"0","type":"function","function":{"description":null,"name":`...)
		b = appendString(append(appendString(b, calls[0].name), `,"arguments":`...), calls[0].args)
		b = append(b, "}}]"...)
	} else {
		b = appendString(append(b, `,"content":`...), c.answer.text)
	}
	b = append(append(append(b, `},"logprobs":null,"finish_reason":"`...), c.finish()...), `"}],"usage":`...)
	return append(c.bill(b), '}')
}

// bill is the usage object, without details.
func (c *tgiCompletion) bill(b []byte) []byte {
	b = field(b, `{"prompt_tokens":`, c.usage.input)
	b = field(b, `,"completion_tokens":`, c.usage.output)
	return append(field(b, `,"total_tokens":`, c.usage.input+c.usage.output), '}')
}
