package sim

import (
	"bytes"
	"errors"
	"net/http"
)

// stream sends the message as server-sent events.
func (m *message) stream() error {
	x := m.x
	if err := x.startStream(http.StatusOK); err != nil {
		return err
	}
	err := m.events()
	if errors.Is(err, errFail) {
		x.plan.failAt = never
		p := x.v.complete(problem{status: 529, code: x.plan.code})
		return x.out.event("error", encode(anthropicError{Type: "error", Error: x.v.errorObject(p)}))
	}
	return err
}

func (m *message) events() error {
	if err := m.start(); err != nil {
		return err
	}
	for i := range m.blocks {
		if err := m.block(i); err != nil {
			return err
		}
	}
	b := append(m.end(append(m.buf[:0], `{"type":"message_delta","delta":{`...)), `},"usage":`...)
	bill := m.usage.delta()
	if m.x.host == vLLM {
		bill = m.usage.vllmMessage()
	}
	m.buf = append(append(b, bill...), '}')
	if err := m.send("message_delta"); err != nil || m.x.plan.noTerminal {
		return err
	}
	m.buf = append(m.buf[:0], `{"type":"message_stop"}`...)
	return m.send("message_stop")
}

// start sends message_start: the message without content, with one output token so far.
func (m *message) start() error {
	u := m.usage
	u.output, u.thought = min(1, u.output), 0
	b := m.head(append(m.buf[:0], `{"type":"message_start","message":`...))
	if m.x.host == vLLM {
		b = append(b, `[],"stop_reason":null,"stop_sequence":null,"usage":`...)
		m.buf = append(append(b, usage{input: u.input}.vllmMessage()...), `}}`...)
		return m.send("message_start")
	}
	b = append(b, `[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"container":null,"usage":`...)
	m.buf = append(append(b, u.message()...), `}}`...)
	return m.send("message_start")
}

// block sends one content block; a ping follows the start of the first.
func (m *message) block(i int) error {
	m.buf = append(field(m.buf[:0], `{"type":"content_block_start","index":`, i), `,"content_block":`...)
	m.buf = append(append(m.buf, m.blocks[i].opening...), '}')
	if err := m.send("content_block_start"); err != nil {
		return err
	}
	if i == 0 && m.x.host != vLLM {
		if err := m.x.out.event("ping", []byte(`{"type": "ping"}`)); err != nil {
			return err
		}
	}
	for _, d := range m.blocks[i].deltas {
		if err := m.x.out.pace(); err != nil {
			return err
		}
		m.buf = append(field(m.buf[:0], `{"type":"content_block_delta","index":`, i), `,"delta":`...)
		m.buf = append(append(m.buf, d...), '}')
		if err := m.send("content_block_delta"); err != nil {
			return err
		}
	}
	m.buf = append(field(m.buf[:0], `{"type":"content_block_stop","index":`, i), '}')
	return m.send("content_block_stop")
}

// blanks is what padding is cut from.
var blanks = bytes.Repeat([]byte(" "), 16)

// send sends what the buffer holds, with up to fifteen spaces before its last brace, as the vendor does to hide the
// length of what is said.
func (m *message) send(name string) error {
	if m.x.plan.padding && m.x.host != vLLM {
		n := (int(m.d[m.x.out.events%len(m.d)]) + m.x.out.events) % len(blanks)
		m.buf = append(append(m.buf[:len(m.buf)-1], blanks[:n]...), '}')
	}
	return m.x.out.event(name, m.buf)
}
