package sim

import "net/http"

// messages serves POST /v1/messages.
func (x *exchange) messages() error {
	a, p := x.readMessages(false)
	if p != nil {
		return x.fail(*p)
	}
	if x.plan.failAt >= 0 && !a.stream {
		return x.fail(problem{status: http.StatusInternalServerError})
	}
	m := &message{x: x, a: a, d: digestOf(x.s.cfg.Seed, x.body)}
	m.answer = a.answer(&x.plan, x.s.cfg.Seed, 0)
	m.usage = a.usage(&x.plan, []answer{m.answer})
	m.usage.batch = x.inBatch
	m.blocks = m.split()
	if err := m.answered(); err != nil {
		x.book("abort", m.usage)
		return err
	}
	x.book("stop", m.usage)
	return nil
}

func (m *message) answered() error {
	if m.a.stream {
		return m.stream()
	}
	if err := m.x.out.sleep(m.x.plan.ttft); err != nil {
		return err
	}
	return m.x.json(http.StatusOK, m.body())
}

// countTokens serves POST /v1/messages/count_tokens.
func (x *exchange) countTokens() error {
	a, p := x.readMessages(true)
	if p != nil {
		return x.fail(*p)
	}
	return x.json(http.StatusOK, append(field(nil, `{"input_tokens":`, a.prompt.tokens), '}'))
}

func (x *exchange) readMessages(count bool) (*ask, *problem) {
	if x.in == nil {
		p := x.v.notJSON()
		return nil, &p
	}
	return x.s.readMessages(x.in, messagesAsked{x.host, x.r.Header.Get("anthropic-version"), count})
}

// message is one message on its way out.
type message struct {
	x      *exchange
	a      *ask
	d      digest
	answer answer
	blocks []block
	usage  usage
	buf    []byte
}

// block is one content block: what it is when whole, what it is when it opens in a stream, and the deltas between.
type block struct {
	whole, opening []byte
	deltas         [][]byte
}

// split makes the content blocks: thinking, text, tool uses.
func (m *message) split() []block {
	var out []block
	a := &m.answer
	if a.thinking != "" {
		out = append(out, m.thinkingBlock(a.thinking))
	}
	if a.text != "" {
		out = append(out, m.textBlock(a.text))
	}
	for i := range a.calls {
		out = append(out, m.callBlock(&a.calls[i]))
	}
	return out
}

// thinkingBlock has one signature delta at its end. The signature goes with the text that is shown.
func (m *message) thinkingBlock(text string) block {
	if m.a.thinking.omitted {
		text = ""
	}
	sign := appendString(nil, m.signature(text))
	whole := appendString([]byte(`{"type":"thinking","thinking":`), text)
	whole = append(append(append(whole, `,"signature":`...), sign...), '}')
	b := block{whole: whole, opening: []byte(`{"type":"thinking","thinking":"","signature":""}`)}
	for _, p := range byCount(byTokens(text), 4) {
		b.deltas = append(b.deltas, delta(`{"type":"thinking_delta","thinking":`, p))
	}
	b.deltas = append(b.deltas, append(append([]byte(`{"type":"signature_delta","signature":`), sign...), '}'))
	return b
}

// signature is a seal that can be checked; vLLM's is one in name alone.
func (m *message) signature(text string) string {
	if m.x.host == vLLM {
		return m.d.derive("signature", 0).hex(32)
	}
	return signature(m.x.s.cfg.Seed, text)
}

func (m *message) textBlock(text string) block {
	b := block{whole: delta(`{"type":"text","text":`, text), opening: []byte(`{"type":"text","text":""}`)}
	pieces := m.x.plan.pieces(text)
	b.deltas = make([][]byte, len(pieces))
	for i, p := range pieces {
		b.deltas[i] = delta(`{"type":"text_delta","text":`, p)
	}
	return b
}

// callBlock begins with an empty fragment; empty arguments have no other.
func (m *message) callBlock(k *call) block {
	id := k.id.id("toolu_01", 22)
	if m.x.host == vLLM {
		id = vllmCallID(k)
	}
	head := append([]byte(`{"type":"tool_use","id":"`), id...)
	head = append(appendString(append(head, `","name":`...), k.name), `,"input":`...)
	b := block{opening: append(append([]byte{}, head...), `{}}`...), whole: append(append(head, k.args...), '}')}
	b.deltas = append(b.deltas, delta(inputDelta, ""))
	if k.args == "{}" {
		return b
	}
	for _, f := range m.x.plan.fragments(k.args) {
		b.deltas = append(b.deltas, delta(inputDelta, f))
	}
	return b
}

const inputDelta = `{"type":"input_json_delta","partial_json":`

// delta is an object whose last member is a text.
func delta(head, text string) []byte {
	b := append(make([]byte, 0, len(head)+len(text)+8), head...)
	return append(appendString(b, text), '}')
}

// body is the unary answer.
func (m *message) body() []byte {
	b := append(m.head(make([]byte, 0, 1024)), '[')
	for i := range m.blocks {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, m.blocks[i].whole...)
	}
	b = m.end(append(b, `],`...))
	if m.x.host == vLLM {
		return append(append(append(b, `,"usage":`...), m.usage.vllmMessage()...), '}')
	}
	b = append(b, `,"container":null,"usage":`...)
	return append(append(b, m.usage.message()...), '}')
}

// head opens the message, up to the content.
func (m *message) head(b []byte) []byte {
	b = appendString(append(b, `{"model":`...), m.a.model.snapshot())
	id := m.d.id("msg_01", 22)
	if m.x.host == vLLM {
		id = m.x.vllmID("chatcmpl-")
	}
	b = appendString(append(b, `,"id":`...), id)
	return append(b, `,"type":"message","role":"assistant","content":`...)
}

// end is how the message ended: three members without their braces.
func (m *message) end(b []byte) []byte {
	b = append(append(b, `"stop_reason":"`...), m.reason()...)
	b = append(b, `","stop_sequence":`...)
	if m.answer.sequence == "" || m.x.host == vLLM {
		b = append(b, "null"...)
	} else {
		b = appendString(b, m.answer.sequence)
	}
	if m.x.host == vLLM {
		return b
	}
	if m.answer.stop == stopRefusal {
		return append(b, `,"stop_details":{"type":"refusal","category":null,"explanation":null}`...)
	}
	return append(b, `,"stop_details":null`...)
}

func (m *message) reason() string {
	if m.x.host == vLLM && (m.answer.stop == stopSequence || m.answer.stop == stopRefusal) {
		return "end_turn"
	}
	switch m.answer.stop {
	case stopLength:
		return "max_tokens"
	case stopSequence:
		return "stop_sequence"
	case stopTools:
		return "tool_use"
	case stopRefusal:
		return "refusal"
	}
	return "end_turn"
}
