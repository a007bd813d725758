package anthropic

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// DecodeResponse reads a whole answer; with extensions, what has no typed place is kept there, so that EncodeResponse
// writes the same JSON again. The error is a *fault.Error, PROVIDER_MALFORMED.
func DecodeResponse(body []byte, extensions bool) (*llmv1.Completion, error) {
	if err := rawjson.Check(body, dialect.MaxAnswerDepth); err != nil {
		return nil, malformed(err)
	}
	body = trimmed(body)
	r, ok := object.Read(body)
	if !ok || !r.Word("type", "message") {
		return nil, malformed(nil)
	}
	b := blocks{keep: extensions}
	c := &llmv1.Completion{
		Id: r.Text("id"), Model: r.Text("model"), StopSequence: r.Text("stop_sequence"), RawFinishReason: r.Text("stop_reason"),
		Message: &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: b.answered(r.Peek("content"))},
	}
	c.FinishReason = finishReason(c.GetRawFinishReason())
	c.Usage = b.usage(r.Peek("usage"))
	if extensions {
		c.Extensions = object.Diff(body, EncodeResponse(c))
	}
	return c, nil
}

// trimmed returns checked JSON without the space around it.
func trimmed(data []byte) []byte {
	cur := rawjson.NewCursor(data, dialect.MaxAnswerDepth)
	return cur.Value()
}

// answered reads an answer's blocks. What isn't one is left out: an answer isn't refused for what can still be shown.
func (b blocks) answered(content []byte) []*llmv1.Part {
	elements := object.Elements(content)
	parts := make([]*llmv1.Part, 0, len(elements))
	for _, raw := range elements {
		if part := b.answer(raw); part != nil {
			parts = append(parts, part)
		}
	}
	return parts
}

// answer reads one block of an answer; nil where it has no kind. What a block lacks, or has in another form, is empty.
func (b blocks) answer(raw []byte) *llmv1.Part {
	part, _ := b.read(raw)
	return part
}

func (b blocks) usage(raw []byte) *llmv1.TokenUsage {
	var u usage
	u.read(raw)
	if b.keep {
		return u.totalOf(raw)
	}
	return u.total()
}

// EncodeResponse writes a completion as a message. What Anthropic has no words for (further choices, sound, probabilities)
// is left out.
func EncodeResponse(c *llmv1.Completion) []byte {
	w := writer{Writer: &object.Writer{}, answer: true}
	w.Patched(c.GetExtensions(), func() {
		w.Always("id", c.GetId())
		w.Always("type", "message")
		w.Always("role", "assistant")
		w.Always("model", c.GetModel())
		w.Name("content")
		end := w.said(c)
		w.Always("stop_reason", end.word())
		w.stopSequence(c.GetStopSequence())
		w.Name("usage")
		writeUsage(w.Writer, c.GetUsage())
	})
	return w.Bytes()
}

// said writes the content, and returns how it ended.
func (w writer) said(c *llmv1.Completion) ending {
	end := ending{reason: c.GetFinishReason(), raw: c.GetRawFinishReason(), stopSequence: c.GetStopSequence()}
	w.Array(func() {
		for _, part := range c.GetMessage().GetParts() {
			if !shown(part) {
				continue
			}
			end.calls = end.calls || part.GetToolCall() != nil
			end.refused = end.refused || part.GetRefusal() != nil
			w.write(part)
		}
	})
	return end
}

// shown reports whether an answer's part is for Anthropic's clients: pictures and files that a model made are not.
func shown(part *llmv1.Part) bool {
	switch part.GetKind().(type) {
	case *llmv1.Part_Text, *llmv1.Part_Refusal, *llmv1.Part_Reasoning, *llmv1.Part_ToolCall, *llmv1.Part_Native:
		return unsayable(part) == ""
	}
	return false
}

func (w writer) stopSequence(sequence string) {
	if sequence == "" {
		w.Null("stop_sequence")
		return
	}
	w.Always("stop_sequence", sequence)
}
