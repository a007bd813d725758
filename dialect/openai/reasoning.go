package openai

import (
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// anthropicFormat is what OpenRouter calls thoughts that Anthropic has signed; the seals of others mean nothing there.
const anthropicFormat = "anthropic-claude-v1"

func thoughtOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{Text: text}}}
}

// thought reads one of reasoning_details (OpenRouter's form); nil where it tells nothing that can be carried.
func thought(value []byte) *llmv1.Part {
	r, ok := object.Read(value)
	if !ok {
		return nil
	}
	format := word(r.Peek("format"))
	sealed := format == "" || format == anthropicFormat
	p := &llmv1.ReasoningPart{}
	switch word(r.Peek("type")) {
	case "reasoning.text":
		if p.Text = word(r.Peek("text")); sealed {
			p.Signature = word(r.Peek("signature"))
		}
	case "reasoning.summary":
		p.Text = word(r.Peek("summary"))
	case "reasoning.encrypted":
		if sealed {
			p.Redacted = word(r.Peek("data"))
		}
	}
	if p.Text == "" && p.Signature == "" && p.Redacted == "" {
		return nil
	}
	return &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: p}}
}

// thinkingText is the text of Mistral's content part of type thinking: a list of texts, or a string.
func thinkingText(value []byte) string {
	if rawjson.Kind(value) != 'a' {
		return word(value)
	}
	var b strings.Builder
	for _, element := range object.Elements(value) {
		b.WriteString(word(rawjson.Get(element, "text")))
	}
	return b.String()
}

// reasoningMembers are the members of a message that hold thoughts.
var reasoningMembers = []string{"reasoning", "reasoning_content", "reasoning_details"}

// thoughts reads the thoughts of a message: reasoning_details win, since only they are signed. Where keep is set, the
// members that wouldn't be written again stay untaken, and those that would be but aren't there are marked.
func (d *messageDecoder) thoughts(r *object.Reader, marks marks) []*llmv1.Part {
	var parts []*llmv1.Part
	for _, element := range object.Elements(r.Peek("reasoning_details")) {
		if part := thought(element); part != nil {
			parts = append(parts, part)
		}
	}
	for _, name := range reasoningMembers[:2] {
		if text := word(r.Peek(name)); text != "" && len(parts) == 0 {
			parts = append(parts, thoughtOf(text))
		}
	}
	if d.keep {
		predictThoughts(r, parts, marks)
	}
	return parts
}

// predictThoughts takes what the richest flavour would write again.
func predictThoughts(r *object.Reader, parts []*llmv1.Part, marks marks) {
	var w object.Writer
	w.Object(func() { writeThoughts(&w, parts, Flavour{Reasoning: "reasoning", ReasoningDetails: true}) })
	predicted, _ := object.Read(w.Bytes())
	for _, name := range reasoningMembers {
		switch again := predicted.Peek(name); {
		case again == nil:
		case !r.Has(name):
			marks.absent(name)
		default:
			r.Take(name, func(value []byte) bool { return object.Equal(value, again) })
		}
	}
}

// writeThoughts writes the members of a message that hold thoughts, as a flavour takes them.
func writeThoughts(w *object.Writer, parts []*llmv1.Part, f Flavour) {
	if f.Reasoning == "" {
		return
	}
	var text strings.Builder
	sealed := false
	for _, part := range parts {
		r := part.GetReasoning()
		text.WriteString(r.GetText())
		sealed = sealed || signatureOf(r) != "" || r.GetRedacted() != ""
	}
	w.Text(f.Reasoning, text.String())
	if !sealed || !f.ReasoningDetails {
		return
	}
	w.Name("reasoning_details")
	w.Array(func() {
		for i, part := range parts {
			writeDetail(w, i, part.GetReasoning())
		}
	})
}

// signatureOf is the signature of a thought; what Headgate gave to thoughts that nobody signed is none.
func signatureOf(r *llmv1.ReasoningPart) string {
	if r.GetSignature() == dialect.Unsigned {
		return ""
	}
	return r.GetSignature()
}

// writeDetail writes one of reasoning_details: all of it at once, numbered, so that openai-python, which joins texts of the
// same number, and openai-node, which keeps the last list, both get it whole.
func writeDetail(w *object.Writer, index int, r *llmv1.ReasoningPart) {
	w.Object(func() {
		w.Number("index", int64(index))
		if r.GetRedacted() != "" {
			w.Always("type", "reasoning.encrypted")
			w.Always("data", r.GetRedacted())
		} else {
			w.Always("type", "reasoning.text")
			w.Always("text", r.GetText())
			w.Text("signature", signatureOf(r))
		}
		w.Always("format", anthropicFormat)
	})
}
