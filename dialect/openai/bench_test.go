package openai

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
)

func BenchmarkReadFacts4KB(b *testing.B) {
	body := []byte(`{"model":"gpt-5","stream":true,"messages":[` + strings.Repeat(`{"role":"user","content":"What the reader says, in \"words\" that take some room on a line."},`, 40) + `{"role":"user","content":"x"}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadFacts(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTapChunk(b *testing.B) {
	data := []byte(`{"id":"chatcmpl-PfDN57T1B3JQB7s59yUmCgHgk3dFK","object":"chat.completion.chunk","created":1795443851,"model":"gpt-5-2025-08-07","service_tier":"default","system_fingerprint":"fp_64121bb116","choices":[{"index":0,"delta":{"content":" name"},"logprobs":null,"finish_reason":null}],"usage":null}`)
	tap := NewTap(dialect.Facts{})
	f := sse.Frame{Data: data}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if v := tap.Read(f); v.Action != dialect.Forward || !v.Content {
			b.Fatal(v)
		}
	}
}
