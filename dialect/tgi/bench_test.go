package tgi_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	"github.com/headgate-mesh/headgate/dialect/tgi"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// conversation is of about 4 KB.
func conversation() *llmv1.Prompt {
	p := &llmv1.Prompt{System: "be brief"}
	for range 20 {
		p.Messages = append(p.Messages,
			message(llmv1.Role_ROLE_USER, text(`What the reader says, in "words" that take some room on a line.`)),
			message(llmv1.Role_ROLE_ASSISTANT, text("And what it is told, which is a little longer than that was, as it mostly is.")))
	}
	p.Messages = append(p.Messages, message(llmv1.Role_ROLE_USER, text("x")))
	return p
}

func BenchmarkEncode4KB(b *testing.B) {
	p := conversation()
	for name, encode := range map[string]func(*llmv1.Prompt, dialect.Ask) ([]byte, []string, error){"chat": tgi.EncodeChat, "generate": tgi.EncodeGenerate} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := encode(p, dialect.Ask{Model: "tgi", Stream: true, IncludeUsage: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	chat, generated := []byte(wholeChat), []byte(wholeGenerated)
	b.Run("chat", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tgi.DecodeChat(chat); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("generate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tgi.DecodeGenerate(generated, "5"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecoderDelta(b *testing.B) {
	for name, c := range map[string]struct {
		d     decoder
		frame string
	}{
		"chat":     {tgi.NewChatDecoder(), strings.SplitN(chatStream, "\n", 2)[0]},
		"generate": {tgi.NewGenerateDecoder(), strings.SplitN(generateStream, "\n", 2)[0]},
	} {
		b.Run(name, func(b *testing.B) {
			f := sse.Frame{Data: []byte(c.frame)}
			if _, err := c.d.Decode(f); err != nil { // the first begins the answer
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if events, err := c.d.Decode(f); err != nil || len(events) != 1 {
					b.Fatal(events, err)
				}
			}
		})
	}
}
