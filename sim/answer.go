package sim

import (
	"encoding/json"
	"strconv"
	"strings"
)

// stop is why an answer ended.
type stop int

const (
	stopEnd stop = iota
	stopSequence
	stopLength
	stopTools
	stopRefusal
)

// answer is one choice of what the simulator says, before a vendor's dialect dresses it.
type answer struct {
	thinking string // what was thought aloud
	text     string
	calls    []call
	stop     stop
	sequence string // the stop sequence that was met
	hidden   int    // reasoning tokens nobody gets to see
	out      int    // all output tokens, thinking and hidden ones included
}

// call is one tool call.
type call struct {
	name, args string
	id         digest
}

// thought is the number of tokens that were thought, aloud or not.
func (a *answer) thought() int { return a.hidden + tokens(a.thinking) }

// efforts are the hidden reasoning tokens of OpenAI's reasoning_effort.
var efforts = map[string]int{"minimal": 16, "low": 32, "medium": 64, "high": 128, "xhigh": 256, "max": 512}

// answer composes the i-th choice. It depends on what was said alone and not on how it is to be delivered, so that a
// stream says the same as a whole answer.
func (a *ask) answer(p *plan, seed string, i int) answer {
	d := digestOf(seed+a.model.ID, []byte(a.user+"\x00"+a.result)).derive("choice", i)
	budget := a.maxTokens
	if budget < 0 {
		budget = 1 << 40
	}
	out := answer{hidden: min(efforts[a.effort], budget)}
	budget -= out.hidden
	if a.thinking.on {
		out.thinking, _ = firstTokens(thoughts(a), budget)
		budget -= tokens(out.thinking)
	}
	a.compose(&out, p, d)
	out.limit(budget, a.stops)
	out.out = out.thought() + out.spoken()
	return out
}

// compose decides between a refusal, tool calls, JSON and prose.
func (a *ask) compose(out *answer, p *plan, d digest) {
	switch {
	case p.refuse:
		out.text, out.stop = "I can't help with that.", stopRefusal
	case a.calling():
		out.calls, out.stop = a.call(d), stopTools
		if !a.pick.must {
			out.text = "I'll use a tool for that."
		}
	case a.schema != nil:
		out.text = string(sample(a.schema))
	default:
		out.text = prose(d.number(), opening(a), max(usualLength, p.chunks), p.chunks*p.chunkBytes)
		if n := p.chunks * p.chunkBytes; n > 0 {
			out.text = strings.ToValidUTF8(out.text[:n], "")
		}
	}
}

// calling tells whether the answer is a tool call: when the request demands one or its text says "use tool".
func (a *ask) calling() bool {
	if len(a.tools) == 0 || a.pick.mustNot || a.answered {
		return false
	}
	return a.pick.must || strings.Contains(strings.ToLower(a.user), "use tool")
}

// call makes one tool call, or two when the text says "use tools" and parallel calls are allowed. The length of the
// prompt goes into the ids, so that they differ within a conversation.
func (a *ask) call(d digest) []call {
	n := 1
	if strings.Contains(strings.ToLower(a.user), "use tools") && !a.pick.single && a.pick.name == "" {
		n = 2
	}
	calls := make([]call, n)
	for i := range calls {
		t := a.tool(i)
		calls[i] = call{name: t.name, args: arguments(t.schema), id: d.derive("call"+strconv.Itoa(a.prompt.tokens), i)}
	}
	return calls
}

// arguments are a sample of the schema; whatever the schema says, they are an object.
func arguments(schema json.RawMessage) string {
	args := string(sample(schema))
	if !strings.HasPrefix(args, "{") {
		return "{}"
	}
	return args
}

// tool is the one for the i-th call: the one demanded, the one the text names, or the next in line.
func (a *ask) tool(i int) tool {
	for _, t := range a.tools {
		if t.name == a.pick.name || a.pick.name == "" && i == 0 && strings.Contains(a.user, t.name) {
			return t
		}
	}
	return a.tools[i%len(a.tools)]
}

// limit applies the stop sequences, then the token limit, to the text and then to the calls.
func (a *answer) limit(budget int, stops []string) {
	if a.stop == stopEnd {
		a.text, a.sequence = untilStop(a.text, stops)
		if a.sequence != "" {
			a.stop = stopSequence
		}
	}
	if a.spoken() <= budget {
		return
	}
	head, cut := firstTokens(a.text, budget)
	if a.text = head; cut {
		a.stop, a.sequence, a.calls = stopLength, "", nil
		return
	}
	a.stop, a.calls = stopLength, nil // the text fits, the calls don't
}

// untilStop cuts the text before the stop sequence that comes first.
func untilStop(text string, stops []string) (head, met string) {
	at := len(text)
	for _, s := range stops {
		if i := strings.Index(text, s); s != "" && i >= 0 && i < at {
			at, met = i, s
		}
	}
	return text[:at], met
}

// spoken counts the tokens of text and calls.
func (a *answer) spoken() int {
	n := tokens(a.text)
	for _, c := range a.calls {
		n += tokens(c.name) + tokens(c.args)
	}
	return n
}

// thoughts is what extended thinking says aloud.
func thoughts(a *ask) string {
	if a.answered {
		return "The tool has answered. I should put its answer into words."
	}
	return "The user wants a reply. I should quote the start of what was said, then add a few calm sentences."
}
