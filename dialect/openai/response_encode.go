package openai

import (
	"crypto/rand"
	"time"

	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// answerFlavour is how Headgate itself speaks: thoughts as the members that most servers give them.
var answerFlavour = Flavour{Reasoning: "reasoning", ReasoningDetails: true}

// EncodeResponse writes a whole answer as OpenAI's own server would. Where the answer has no id or time, it gets one.
func EncodeResponse(c *llmv1.Completion) []byte {
	var w object.Writer
	w.Patched(c.GetExtensions(), func() {
		w.Always("id", idOf(c.GetId()))
		w.Always("object", "chat.completion")
		w.Number("created", createdAt(c.GetCreatedUnixSeconds()))
		w.Always("model", c.GetModel())
		w.Name("choices")
		w.Array(func() {
			writeChoice(&w, &llmv1.Choice{
				Message: c.GetMessage(), FinishReason: c.GetFinishReason(), RawFinishReason: c.GetRawFinishReason(), LogProbs: c.GetLogProbs(),
			})
			for _, choice := range c.GetFurtherChoices() {
				writeChoice(&w, choice)
			}
		})
		if c.GetUsage() != nil {
			w.Name("usage")
			writeUsage(&w, c.GetUsage())
		}
	})
	return w.Bytes()
}

func writeChoice(w *object.Writer, c *llmv1.Choice) {
	w.Patched(c.GetExtensions(), func() {
		w.Number("index", int64(c.GetIndex()))
		w.Name("message")
		calls := writeMessage(w, c.GetMessage())
		w.Name("logprobs")
		writeLogProbs(w, c.GetLogProbs())
		w.Always("finish_reason", finishWord(c.GetFinishReason(), c.GetRawFinishReason(), calls))
	})
}

// writeMessage writes what a model said, and reports whether it calls tools.
func writeMessage(w *object.Writer, m *llmv1.Message) (calls bool) {
	e := messageEncoder{flavour: answerFlavour, answer: true}
	s := e.sort("", llmv1.Role_ROLE_ASSISTANT, m.GetParts())
	e.message(m, "assistant", s)
	w.Value(e.Bytes())
	return len(s.calls) > 0
}

func idOf(id string) string {
	if id == "" {
		return "chatcmpl-" + rand.Text()
	}
	return id
}

func createdAt(seconds int64) int64 {
	if seconds == 0 {
		return time.Now().Unix()
	}
	return seconds
}
