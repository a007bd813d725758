// Package estimate guesses how many tokens a prompt is, for models whose provider can't be asked.
package estimate

import (
	"bytes"
	"unicode/utf8"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// English text is about four characters a token with the vendors' tokenizers, other scripts about one and a half;
// messages cost a few tokens of their own, and a picture some hundreds (OpenAI's low detail: 85, Anthropic's: width x
// height / 750).
const (
	asciiPerToken = 4.0
	otherPerToken = 1.5
	perMessage    = 4
	perPicture    = 765
	bytesPerToken = 12
)

// Prompt returns the estimate, never 0.
func Prompt(p *llmv1.Prompt) int64 {
	var c counter
	c.text(p.GetSystem())
	c.parts(p.GetSystemParts())
	for _, m := range p.GetMessages() {
		c.tokens += perMessage
		c.parts(m.GetParts())
	}
	for _, t := range p.GetTools() {
		c.tokens += perMessage
		c.text(t.GetName() + t.GetDescription() + t.GetInputSchema() + t.GetNative())
	}
	c.text(p.GetResponseFormat().GetSchema())
	return c.total()
}

func (c *counter) total() int64 {
	return max(1, int64(c.tokens+float64(c.ascii)/asciiPerToken+float64(c.other)/otherPerToken+0.5))
}

// Texts returns the estimate of what is to be embedded, never 0.
func Texts(in *llmv1.EmbeddingInput) int64 {
	var c counter
	for _, text := range in.GetTexts() {
		c.text(text)
	}
	for _, list := range in.GetTokenLists() {
		c.tokens += float64(len(list.GetTokens()))
	}
	return c.total()
}

const (
	// longString is how long a string of a body has to be before it is looked at whether it is a picture or a file.
	longString = 4 << 10
	// sample is how much of it is looked at: a text has a space in it.
	sample = 512
)

// Body returns the estimate of a request as it came in, by its length: JSON and all, but for pictures and files in it,
// which count as they do in Prompt. Never 0.
func Body(body []byte) int64 {
	if len(body) < longString {
		return max(1, int64(len(body)/asciiPerToken))
	}
	text, pictures := len(body), int64(0)
	for rest := body; ; {
		n := bytes.IndexByte(rest, '"')
		if n >= longString && bytes.IndexByte(rest[:sample], ' ') < 0 {
			text -= n
			pictures++
		}
		if n < 0 {
			return max(1, int64(text/asciiPerToken)+pictures*perPicture)
		}
		rest = rest[n+1:]
	}
}

type counter struct {
	ascii, other int
	tokens       float64
}

func (c *counter) text(s string) {
	runes := utf8.RuneCountInString(s)
	wide := (len(s) - runes) / 2 // bytes beyond the first of each character: about two for each that isn't ASCII
	c.ascii += runes - wide
	c.other += wide
}

func (c *counter) parts(parts []*llmv1.Part) {
	for _, part := range parts {
		switch kind := part.GetKind().(type) {
		case *llmv1.Part_Text:
			c.text(kind.Text.GetText())
		case *llmv1.Part_Refusal:
			c.text(kind.Refusal.GetText())
		case *llmv1.Part_Reasoning:
			c.text(kind.Reasoning.GetText())
		case *llmv1.Part_ToolCall:
			c.tokens += perMessage
			c.text(kind.ToolCall.GetName() + kind.ToolCall.GetArguments())
		case *llmv1.Part_ToolCallResponse:
			c.tokens += perMessage
			c.parts(kind.ToolCallResponse.GetParts())
		case *llmv1.Part_Native:
			c.text(kind.Native.GetJson())
		case *llmv1.Part_Blob:
			c.blob(kind.Blob)
		case *llmv1.Part_Uri, *llmv1.Part_File:
			c.tokens += perPicture
		}
	}
}

func (c *counter) blob(b *llmv1.BlobPart) {
	if b.GetModality() == llmv1.Modality_MODALITY_IMAGE {
		c.tokens += perPicture
		return
	}
	c.tokens += float64(len(b.GetData())) / bytesPerToken
}
