package anthropic_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// kilobytes4 is a conversation of about 4 KB.
func kilobytes4() []byte {
	turn := `{"role":"user","content":"What the reader says, in \"words\" that take some room on a line."},{"role":"assistant","content":[{"type":"text","text":"And what it is told, which is a little longer than that was, as it mostly is."}]},`
	return []byte(`{"model":"claude-opus-4-6","max_tokens":1024,"stream":true,"system":"be brief","tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}],"messages":[` +
		strings.Repeat(turn, 15) + `{"role":"user","content":"x"}]}`)
}

func BenchmarkDecodeRequest4KB(b *testing.B) {
	body := kilobytes4()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := anthropic.DecodeRequest(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeRequest4KB(b *testing.B) {
	p, err := anthropic.DecodeRequest(kilobytes4())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := anthropic.EncodeRequest(p, dialect.Ask{Model: "m", Stream: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodeForeign4KB: without the extensions of this dialect, as requests of other clients come.
func BenchmarkEncodeForeign4KB(b *testing.B) {
	p, err := anthropic.DecodeRequest(kilobytes4())
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range p.GetMessages() {
		m.Extensions = nil
		for _, part := range m.GetParts() {
			part.Extensions = nil
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := anthropic.EncodeRequest(p, dialect.Ask{Model: "m", Stream: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeResponse(b *testing.B) {
	body := []byte(strings.ReplaceAll(wholeResponse, `,{"type":"text"},5,{}`, ""))
	for name, extensions := range map[string]bool{"bare": false, "extensions": true} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := anthropic.DecodeResponse(body, extensions); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodeResponse(b *testing.B) {
	c, err := anthropic.DecodeResponse([]byte(wholeResponse), false)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		anthropic.EncodeResponse(c)
	}
}

var deltaFrames = map[string]string{
	"text":      `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few words of it"}          }`,
	"arguments": `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Sa"}     }`,
}

func BenchmarkDecoderDelta(b *testing.B) {
	blocks := map[string]string{"text": `{"type":"text","text":""}`, "arguments": `{"type":"tool_use","id":"a","name":"f","input":{}}`}
	for name, data := range deltaFrames {
		for mode, extensions := range map[string]bool{"": false, "-extensions": true} {
			b.Run(name+mode, func(b *testing.B) {
				d := anthropic.NewDecoder(extensions)
				for _, data := range []string{begin, `{"type":"content_block_start","index":0,"content_block":` + blocks[name] + `}`} {
					if _, err := d.Decode(named([]byte(data))); err != nil {
						b.Fatal(err)
					}
				}
				f := named([]byte(data))
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

func BenchmarkEncoderDelta(b *testing.B) {
	e := anthropic.NewEncoder(dialect.Ask{})
	out := make([]byte, 0, 4<<10)
	for _, event := range []*llmv1.StreamEvent{started("c", "m"), begins(0, textPart(""))} {
		if _, err := e.Encode(out, event); err != nil {
			b.Fatal(err)
		}
	}
	delta := words(0, " a few words of what the model has to say")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(out, delta); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTapDelta(b *testing.B) {
	tap := anthropic.NewTap(dialect.Facts{})
	f := named([]byte(deltaFrames["text"]))
	b.ReportAllocs()
	for b.Loop() {
		tap.Read(f)
	}
}

func BenchmarkRewrite4KB(b *testing.B) {
	body := kilobytes4()
	f, err := anthropic.ReadFacts(body)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		anthropic.Rewrite(body, f, f.Model)
	}
}

// TestDeltasAllocateLittle: there is one for every few letters of an answer.
func TestDeltasAllocateLittle(t *testing.T) {
	d := anthropic.NewDecoder(false)
	for _, data := range []string{begin, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`} {
		if _, err := d.Decode(named([]byte(data))); err != nil {
			t.Fatal(err)
		}
	}
	f := named([]byte(deltaFrames["text"]))
	if n := testing.AllocsPerRun(100, func() { _, _ = d.Decode(f) }); n > 3 {
		t.Errorf("%v allocations for a delta", n)
	}
}
