package openai_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// kilobytes4 is a conversation of about 4 KB.
func kilobytes4() []byte {
	turn := `{"role":"user","content":"What the reader says, in \"words\" that take some room on a line."},{"role":"assistant","content":[{"type":"text","text":"And what it is told, which is a little longer than that was, as it mostly is."}]},`
	return []byte(`{"model":"gpt-5","max_completion_tokens":1024,"stream":true,"stream_options":{"include_usage":true},"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}],"messages":[` +
		strings.Repeat(turn, 15) + `{"role":"user","content":"x"}]}`)
}

func decoded4KB(b *testing.B) *llmv1.Prompt {
	b.Helper()
	p, err := openai.DecodeRequest(kilobytes4())
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func BenchmarkDecodeRequest4KB(b *testing.B) {
	body := kilobytes4()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := openai.DecodeRequest(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeRequest4KB(b *testing.B) {
	p := decoded4KB(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (openai.Flavour{}).EncodeRequest(p, dialect.Ask{Model: "m", Stream: true, IncludeUsage: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodeForeign4KB: without the extensions of this dialect, as requests of other clients come.
func BenchmarkEncodeForeign4KB(b *testing.B) {
	p := decoded4KB(b)
	for _, m := range p.GetMessages() {
		m.Extensions = nil
		for _, part := range m.GetParts() {
			part.Extensions = nil
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (openai.Flavour{}).EncodeRequest(p, dialect.Ask{Model: "m", Stream: true, IncludeUsage: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeResponse(b *testing.B) {
	body := []byte(wholeResponse)
	for name, extensions := range map[string]bool{"bare": false, "extensions": true} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := openai.DecodeResponse(body, extensions); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodeResponse(b *testing.B) {
	c, err := openai.DecodeResponse([]byte(wholeResponse), false)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		openai.EncodeResponse(c)
	}
}

const (
	firstChunk = `{"id":"chatcmpl-PfDN57T1B3JQB7s59yUmCgHgk3dFK","object":"chat.completion.chunk","created":1795443851,"model":"gpt-5-2025-08-07","service_tier":"default","system_fingerprint":"fp_64121bb116","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}`
	callChunk  = `{"id":"chatcmpl-PfDN57T1B3JQB7s59yUmCgHgk3dFK","object":"chat.completion.chunk","created":1795443851,"model":"gpt-5-2025-08-07","service_tier":"default","system_fingerprint":"fp_64121bb116","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"logprobs":null,"finish_reason":null}],"usage":null}`
)

// deltaChunks follow the first chunk, or a call's.
var deltaChunks = map[string][2]string{
	"text":      {firstChunk, strings.Replace(firstChunk, `{"role":"assistant","content":"","refusal":null}`, `{"content":" name"}`, 1)},
	"reasoning": {firstChunk, strings.Replace(firstChunk, `{"role":"assistant","content":"","refusal":null}`, `{"reasoning":" name"}`, 1)},
	"arguments": {callChunk, strings.Replace(callChunk, `"id":"call_1","type":"function","function":{"name":"f","arguments":""}`, `"function":{"arguments":"{\"city\": \"Sa"}`, 1)},
}

func BenchmarkDecoderChunk(b *testing.B) {
	for name, c := range deltaChunks {
		for mode, extensions := range map[string]bool{"": false, "-extensions": true} {
			b.Run(name+mode, func(b *testing.B) {
				d := openai.NewDecoder(extensions)
				f := sse.Frame{Data: []byte(c[1])}
				for _, first := range []sse.Frame{{Data: []byte(c[0])}, f} {
					if _, err := d.Decode(first); err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(int64(len(f.Data)))
				b.ReportAllocs()
				for b.Loop() {
					if events, err := d.Decode(f); err != nil || len(events) != 1 {
						b.Fatal(events, err)
					}
				}
			})
		}
	}
}

// BenchmarkEncoderChunk writes the deltas of another dialect's answer, and those that say where they stood in a frame.
func BenchmarkEncoderChunk(b *testing.B) {
	for name, c := range deltaChunks {
		for mode, extensions := range map[string]bool{"": false, "-extensions": true} {
			b.Run(name+mode, func(b *testing.B) {
				d, e := openai.NewDecoder(extensions), openai.NewEncoder(dialect.Ask{Stream: true, IncludeUsage: true})
				out := make([]byte, 0, 4<<10)
				var delta *llmv1.StreamEvent
				for _, data := range []string{c[0], c[1], c[1]} {
					events, err := d.Decode(sse.Frame{Data: []byte(data)})
					if err != nil {
						b.Fatal(err)
					}
					for _, delta = range events {
						_, _ = e.Encode(out, delta)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					_, _ = e.Encode(out, delta)
				}
			})
		}
	}
}

func BenchmarkMend(b *testing.B) {
	tap := openai.NewMendingTap(dialect.Facts{})
	f := sse.Frame{Data: []byte(deltaChunks["text"][1])}
	b.ReportAllocs()
	for b.Loop() {
		tap.Read(tap.Mend(f))
	}
}

func BenchmarkEmbedResponse(b *testing.B) {
	vector := strings.Repeat("0.0123456,", 1535) + "0.5"
	body := []byte(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[` + vector + `]}],"model":"e","usage":{"prompt_tokens":2,"total_tokens":2}}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := openai.ReadEmbedResponse(body, true); err != nil {
			b.Fatal(err)
		}
	}
}
