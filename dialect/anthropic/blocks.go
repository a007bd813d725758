package anthropic

import (
	"slices"

	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// openAIBlocks are OpenAI's kinds of content. A client that sends them to Anthropic has mixed up the dialects, and what an
// OpenAI client sends of these is nothing that Anthropic takes.
var openAIBlocks = []string{
	"image_url", "input_audio", "input_image", "input_file", "input_text", "output_text", "file", "refusal", "video_url", "audio_url",
}

// blocks reads content blocks into parts. What is read aliases nothing.
type blocks struct {
	// keep is whether what has no typed place is kept as extensions.
	keep bool
	// asked is whether the blocks are a client's, who is told what is wrong with them.
	asked bool
}

// read reads one block. Blocks that Headgate doesn't know, or in an odd form, become native parts.
func (b blocks) read(raw []byte) (*llmv1.Part, *flaw) {
	r, ok := object.Read(raw)
	switch {
	case !ok:
		return nil, wrong("", "must be an object")
	case !r.Has("type"):
		return nil, lacking("type")
	}
	word, ok := rawjson.Unquote(r.Peek("type"))
	kind := string(word)
	switch {
	case !ok:
		return nil, wrong("type", "must be a string")
	case b.asked && slices.Contains(openAIBlocks, kind):
		return nil, wrong("type", "is a kind of OpenAI's; Anthropic's are text, image, document, tool_use, tool_result and others")
	}
	return b.kind(kind, r, raw)
}

func (b blocks) kind(kind string, r *object.Reader, raw []byte) (part *llmv1.Part, f *flaw) {
	switch kind {
	case "text":
		part, f = b.text(r)
	case "thinking":
		part, f = b.thinking(r)
	case "redacted_thinking":
		part = b.redacted(r)
	case "tool_use":
		part, f = b.toolUse(r)
	case "tool_result":
		part, f = b.toolResult(r)
	case "image", "document":
		part, f = b.media(kind, r)
	}
	if part == nil {
		return native(kind, raw), f
	}
	r.Word("type", kind)
	b.left(part, r)
	return part, f
}

func native(kind string, raw []byte) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Native{Native: &llmv1.NativePart{Type: kind, Json: string(raw)}}}
}

// left adds what nobody took to the part's extensions.
func (b blocks) left(part *llmv1.Part, r *object.Reader) {
	if !b.keep {
		return
	}
	for path, value := range r.Left() {
		b.note(part, path, value)
	}
}

func (b blocks) note(part *llmv1.Part, path, value string) {
	if !b.keep {
		return
	}
	part.Extensions = with(part.Extensions, path, value)
}

// spell notes the block's type, which says nothing new but that the block is written just as it came: an empty text that
// would be left out, a string that would be written without a block, an id that would be replaced.
func (b blocks) spell(part *llmv1.Part, kind string) { b.note(part, "type", `"`+kind+`"`) }

// spelled reports whether a part is to be written just as it is.
func spelled(part *llmv1.Part) bool { return part.GetExtensions()["type"] != "" }

// takeString takes a string, which may be empty.
func takeString(r *object.Reader, name string) (text string, ok bool) {
	ok = r.Take(name, func(value []byte) bool {
		t, is := rawjson.Unquote(value)
		text = string(t)
		return is
	})
	return text, ok
}

// needString is takeString for a member that has to be there.
func needString(r *object.Reader, name string) (string, *flaw) {
	text, ok := takeString(r, name)
	switch {
	case ok:
		return text, nil
	case r.Has(name):
		return "", wrong(name, "must be a string")
	}
	return "", lacking(name)
}

func textOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
}

func (b blocks) text(r *object.Reader) (*llmv1.Part, *flaw) {
	text, f := needString(r, "text")
	part := textOf(text)
	if f == nil && text == "" && b.asked {
		b.spell(part, "text")
	}
	part.GetText().Citations = b.readCitations(r)
	return part, f
}

func (b blocks) thinking(r *object.Reader) (*llmv1.Part, *flaw) {
	text, f := needString(r, "thinking")
	reasoning := &llmv1.ReasoningPart{Text: text, Signature: r.Text("signature")}
	part := &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: reasoning}}
	if !r.Has("signature") { // other vendors' servers give none, and take it back without
		b.note(part, "signature", "")
	}
	return part, f
}

// redacted returns nil where there is nothing to tell redacted thoughts from empty ones.
func (b blocks) redacted(r *object.Reader) *llmv1.Part {
	data := r.Text("data")
	if data == "" {
		return nil
	}
	return &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{Redacted: data}}}
}

// content takes the content of a message or of a tool's result: a text, or a list of blocks. A lone block of text is
// spelled out, for alone it would be written as a string; what is empty is left.
func (b blocks) content(r *object.Reader) ([]*llmv1.Part, *flaw) {
	value := r.Peek("content")
	switch rawjson.Kind(value) {
	case 0, 'n':
		return nil, nil
	case 's':
		if text := r.Text("content"); text != "" {
			return []*llmv1.Part{textOf(text)}, nil
		}
		return nil, nil
	case 'a':
		parts, f := b.list(r.Elements("content"))
		return parts, f.in("content")
	}
	return nil, wrong("content", "must be a string or an array of blocks")
}

func (b blocks) list(elements [][]byte) ([]*llmv1.Part, *flaw) {
	parts, f := b.parts(elements)
	if len(parts) == 1 && plain(parts[0]) {
		b.spell(parts[0], "text")
	}
	return parts, f
}

func (b blocks) parts(elements [][]byte) ([]*llmv1.Part, *flaw) {
	parts := make([]*llmv1.Part, 0, len(elements))
	for i, raw := range elements {
		part, f := b.read(raw)
		if f != nil {
			return nil, f.at(i)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// plain reports whether a part is a text that nothing else belongs to.
func plain(part *llmv1.Part) bool {
	text := part.GetText()
	return text != nil && len(text.GetCitations()) == 0 && len(part.GetExtensions()) == 0
}
