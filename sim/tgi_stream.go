package sim

// events sends one chunk per token: every one says the role again. A tool call's also say its index, id and type, and the
// stream ends without any finish_reason, unless the script wants one.
func (c *tgiCompletion) events() error {
	deltas, finish := c.split()
	for i, d := range deltas {
		if err := c.x.out.pace(); err != nil {
			return err
		}
		end := ""
		if i == len(deltas)-1 {
			end = finish
		}
		if err := c.chunk(d, end); err != nil {
			return err
		}
	}
	if c.a.withUsage {
		b := c.bill(append(c.head(nil, chunkObject), `],"usage":`...))
		if err := c.x.out.event("", append(b, '}')); err != nil {
			return err
		}
	}
	return c.x.tgiDone()
}

// split makes the deltas and the finish_reason that the last one carries.
func (c *tgiCompletion) split() (deltas []string, finish string) {
	if len(c.answer.calls) > 0 {
		if c.x.plan.finish {
			finish = "stop"
		}
		return c.callDeltas(), finish
	}
	for _, t := range c.x.plan.pieces(c.answer.text) {
		deltas = append(deltas, textDelta(t))
	}
	finish = c.finish()
	if finish == "stop" || len(deltas) == 0 {
		deltas = append(deltas, textDelta("")) // the end-of-text token has no text
	}
	return deltas, finish
}

func textDelta(text string) string {
	return `{"role":"assistant","content":` + string(appendString(nil, text)) + `}`
}

func (c *tgiCompletion) callDeltas() (deltas []string) {
	k := &c.answer.calls[0]
	name := string(appendString(nil, k.name))
	for _, f := range c.x.plan.fragments(k.args) {
		deltas = append(deltas, `{"role":"assistant","tool_calls":[{"index":0,"id":"0","type":"function","function":{"name":`+
			name+`,"arguments":`+string(appendString(nil, f))+`}}]}`)
		name = "null"
	}
	return deltas
}

// chunk sends one delta; finish is empty but for the last.
func (c *tgiCompletion) chunk(delta, finish string) error {
	b := append(c.head(nil, chunkObject), `{"index":0,"delta":`+delta+`,"logprobs":null,"finish_reason":`...)
	b = appendNullable(b, optional(finish))
	c.sent++
	return c.x.out.event("", append(b, `}],"usage":null}`...))
}
