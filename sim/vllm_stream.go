package sim

import (
	"errors"
	"net/http"
	"strconv"
)

// stream sends the completion as server-sent events. An error in the middle is followed by [DONE] all the same.
func (c *vllmCompletion) stream() error {
	if err := c.x.startStream(http.StatusOK); err != nil {
		return err
	}
	err := c.events()
	if !errors.Is(err, errFail) {
		return err
	}
	c.x.plan.failAt = never
	p := c.x.v.complete(problem{status: http.StatusInternalServerError, code: c.x.plan.code})
	if err := c.x.out.event("", encode(openAIError{c.x.v.errorObject(p)})); err != nil {
		return err
	}
	return c.terminal()
}

func (c *vllmCompletion) events() error {
	for i := range c.answers {
		if err := c.chunk(i, `{"role":"assistant","content":""}`, ""); err != nil {
			return err
		}
	}
	if err := c.deltas(); err != nil {
		return err
	}
	for i := range c.answers {
		a := &c.answers[i]
		end := `"finish_reason":"` + c.finish(a) + `","stop_reason":` + string(c.stopReason(a))
		if err := c.chunk(i, `{"content":""}`, end); err != nil {
			return err
		}
	}
	if c.a.withUsage {
		b := c.bill(append(c.head(nil, chunkObject), `],"usage":`...), c.usage)
		if err := c.x.out.event("", append(b, '}')); err != nil {
			return err
		}
	}
	return c.terminal()
}

func (c *vllmCompletion) terminal() error {
	if c.x.plan.noTerminal {
		return nil
	}
	return c.x.out.event("", []byte("[DONE]"))
}

// deltas sends the n-th delta of every choice before the next one of any.
func (c *vllmCompletion) deltas() error {
	all := make([][]string, len(c.answers))
	longest := 0
	for i := range c.answers {
		all[i] = c.split(&c.answers[i])
		longest = max(longest, len(all[i]))
	}
	for n := range longest {
		for i, deltas := range all {
			if n >= len(deltas) {
				continue
			}
			if err := c.x.out.pace(); err != nil {
				return err
			}
			c.said = min(c.said+1, c.usage.output)
			if err := c.chunk(i, deltas[n], ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// split makes the deltas of one choice: thoughts, text, calls.
func (c *vllmCompletion) split(a *answer) []string {
	var out []string
	if len(c.keys()) > 0 {
		for _, t := range byTokens(c.thoughts(a)) {
			b := []byte{'{'}
			for i, key := range c.keys() {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendString(append(append(append(b, '"'), key...), `":`...), t)
			}
			out = append(out, string(append(b, '}')))
		}
	}
	for _, t := range c.x.plan.pieces(c.tags(a) + a.text) {
		out = append(out, string(append(appendString([]byte(`{"content":`), t), '}')))
	}
	return append(out, c.callDeltas(a)...)
}

// callDeltas opens each call with its id and name, without arguments; those follow, if there are any.
func (c *vllmCompletion) callDeltas(a *answer) []string {
	var out []string
	for i := range a.calls {
		k, at := &a.calls[i], `{"tool_calls":[{`
		index := `"index":` + strconv.Itoa(i)
		out = append(out, at+`"id":"`+vllmCallID(k)+`","type":"function",`+index+`,"function":{"name":`+string(appendString(nil, k.name))+`}}]}`)
		if k.args == "{}" {
			continue
		}
		for _, f := range c.x.plan.fragments(k.args) {
			out = append(out, at+index+`,"function":{"arguments":`+string(appendString(nil, f))+`}}]}`)
		}
	}
	return out
}

// chunk sends one delta of one choice; end is empty but for the last.
func (c *vllmCompletion) chunk(choice int, delta, end string) error {
	b := c.head(nil, chunkObject)
	b = field(b, `{"index":`, choice)
	b = append(append(append(b, `,"delta":`...), delta...), `,"logprobs":null,`...)
	if end == "" {
		end = `"finish_reason":null`
	}
	b = append(append(b, end...), `}]`...)
	if c.a.eachUsage {
		b = c.bill(append(b, `,"usage":`...), usage{input: c.usage.input, output: c.said})
	}
	return c.x.out.event("", append(b, '}'))
}
