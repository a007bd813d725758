package sim

import (
	"errors"
	"net/http"
	"strconv"
)

// stream sends the completion as server-sent events.
func (c *completion) stream() error {
	x := c.x
	if err := x.startStream(http.StatusOK); err != nil {
		return err
	}
	err := c.events()
	if errors.Is(err, errFail) {
		x.plan.failAt = never
		p := x.v.complete(problem{status: http.StatusInternalServerError, code: x.plan.code})
		return x.out.event("", encode(openAIError{x.v.errorObject(p)}))
	}
	return err
}

// events sends the chunks: the roles, the deltas of all choices in turn, the ends, the usage, the terminal.
func (c *completion) events() error {
	steps := []func() error{c.roles, c.deltas, c.ends, c.bill, c.terminal}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *completion) roles() error {
	for i := range c.answers {
		content := `""`
		if len(c.answers[i].calls) > 0 {
			content = "null"
		}
		if err := c.chunk(i, `{"role":"assistant","content":`+content+`,"refusal":null}`, ""); err != nil {
			return err
		}
	}
	return nil
}

// deltas sends the n-th delta of every choice before the next one of any.
func (c *completion) deltas() error {
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
			if err := c.chunk(i, deltas[n], ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// split makes the deltas of one choice.
func (c *completion) split(a *answer) []string {
	if len(a.calls) > 0 {
		return c.callDeltas(a)
	}
	key := `{"content":`
	if a.stop == stopRefusal {
		key = `{"refusal":`
	}
	out := c.x.plan.pieces(a.text)
	for i, p := range out {
		b := appendString(append(make([]byte, 0, len(p)+20), key...), p)
		out[i] = string(append(b, '}'))
	}
	return out
}

// callDeltas opens each call with its id and name and goes on with fragments of the arguments.
func (c *completion) callDeltas(a *answer) []string {
	var out []string
	for i := range a.calls {
		at := `{"tool_calls":[{"index":` + strconv.Itoa(i) + `,`
		out = append(out, at+string(chatCall(&a.calls[i]))+`""}}]}`)
		for _, f := range c.x.plan.fragments(a.calls[i].args) {
			out = append(out, at+`"function":{"arguments":`+string(appendString(nil, f))+`}}]}`)
		}
	}
	return out
}

func (c *completion) ends() error {
	for i := range c.answers {
		if err := c.chunk(i, `{}`, c.finish(&c.answers[i])); err != nil {
			return err
		}
	}
	return nil
}

// bill is the chunk with the usage and no choice, for those who asked for it.
func (c *completion) bill() error {
	if !c.a.withUsage {
		return nil
	}
	b := append(c.head(c.buf[:0], chunkObject), `],"usage":`...)
	c.buf = append(append(b, c.usage.openAI()...), '}')
	return c.x.out.event("", c.buf)
}

func (c *completion) terminal() error {
	if c.x.plan.noTerminal {
		return nil
	}
	return c.x.out.event("", []byte("[DONE]"))
}

const chunkObject = "chat.completion.chunk"

// chunk sends one delta of one choice; finish is empty but for the last.
func (c *completion) chunk(choice int, delta, finish string) error {
	if len(c.prefix) == 0 {
		c.prefix = c.head(nil, chunkObject)
	}
	b := append(c.buf[:0], c.prefix...)
	b = field(b, `{"index":`, choice)
	b = append(append(b, `,"delta":`...), delta...)
	b = append(b, `,"logprobs":null,"finish_reason":`...)
	if finish == "" {
		b = append(b, `null}]`...)
	} else {
		b = append(append(append(b, '"'), finish...), `"}]`...)
	}
	if c.a.withUsage {
		b = append(b, `,"usage":null`...)
	}
	if c.a.obfuscate || c.x.plan.obfuscation {
		b = append(append(append(b, `,"obfuscation":"`...), c.noise()...), '"')
	}
	c.buf = append(b, '}')
	return c.x.out.event("", c.buf)
}

// noise is padding that hides a chunk's length.
func (c *completion) noise() string {
	d := c.d.derive("noise", c.x.out.events)
	return d.id("", 1+int(d[31])%12)
}
