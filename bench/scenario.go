package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// dialect is how a request looks, and by what an answer is known to be whole.
type dialect struct {
	name, path, model, header, fields string
	// content is in every line of a stream that carries text, except where empty is too; last ends the stream.
	content, empty, last string
	// whole is in every complete answer that isn't streamed.
	whole string
}

var (
	openai = dialect{
		name: "openai", path: "/v1/chat/completions", model: "gpt-5",
		content: `"delta":{"content":"`, empty: `"content":""`, last: "data: [DONE]", whole: `"finish_reason":"stop"`,
	}
	anthropic = dialect{
		name: "anthropic", path: "/v1/messages", model: "claude-sonnet-4-5",
		header: "Anthropic-Version: 2023-06-01\r\n", fields: `"max_tokens":4096,`,
		content: `"type":"content_block_delta"`, last: `data: {"type":"message_stop"`, whole: `"stop_reason":"end_turn"`,
	}
)

func (d *dialect) set(name string) error {
	for _, known := range []dialect{openai, anthropic} {
		if known.name == name {
			*d = known
			return nil
		}
	}
	return fmt.Errorf("unknown dialect %q", name)
}

// scenario is one kind of load.
type scenario struct {
	name    string
	dialect dialect
	conns   int
	// chunks is how many content events each stream must have; 0: the answer isn't streamed.
	chunks int
	// delay is the time between two of them. A slow scenario asks once on each connection, a fast one until time is up.
	delay time.Duration
}

func (s scenario) slow() bool { return s.delay > 0 }

// script is the suffix of the model's name that tells the simulator how to answer.
func (s scenario) script() string {
	switch {
	case s.slow():
		return fmt.Sprintf("#chunks=%d,chunk_delay=%s", s.chunks, s.delay)
	case s.chunks > 0:
		return fmt.Sprintf("#chunks=%d", s.chunks)
	}
	return ""
}

// request is the whole HTTP request, the same bytes for all three servers but for the host; the simulator takes any key.
func (s scenario) request(host, key string) []byte {
	body := fmt.Sprintf(`{"model":%q,%s"stream":%v,"messages":[{"role":"user","content":`+
		`"Explain retrieval-augmented generation to someone who runs a library."}]}`,
		s.dialect.model+s.script(), s.dialect.fields, s.chunks > 0)
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		s.dialect.path, host, key, s.dialect.header, len(body), body)
}

func fastScenarios(o options) []scenario {
	all := []scenario{
		{name: "unary, 1 connection", dialect: o.dialect, conns: 1},
		{name: "unary, 16 connections", dialect: o.dialect, conns: 16},
		{name: "50 chunks, 1 connection", dialect: o.dialect, conns: 1, chunks: 50},
		{name: "50 chunks, 16 connections", dialect: o.dialect, conns: 16, chunks: 50},
	}
	return slices.DeleteFunc(all, func(s scenario) bool { return !strings.Contains(s.name, o.only) })
}

func slowScenario(o options) scenario {
	return scenario{
		name:    fmt.Sprintf("%d streams, %d chunks %s apart", o.slow, o.slowChunks, o.slowDelay),
		dialect: o.dialect, conns: o.slow, chunks: o.slowChunks, delay: o.slowDelay,
	}
}
