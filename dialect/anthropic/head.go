package anthropic

import (
	"maps"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// readHead reads how the model is to answer, and keeps what the encoder wouldn't write by itself.
func (q *reading) readHead() {
	p := q.prompt
	r, _ := object.Read(q.head.Bytes())
	p.Sampling = readSampling(r)
	p.ToolChoice = readToolChoice(r.Peek("tool_choice"))
	p.Reasoning = readReasoning(r)
	p.ResponseFormat = readFormat(r)
	p.User = r.Sub("metadata").Text("user_id")

	kept := p.Extensions
	p.Extensions = nil
	diff := q.unpredicted()
	if t := p.GetSampling().GetTemperature(); t < 0 || t > 1 || translated(diff) {
		p.Extensions = map[string]string{ownWords: string(r.Peek(ownWords))}
		diff = q.unpredicted()
	}
	for _, more := range []map[string]string{kept, diff} {
		for path, value := range more {
			q.extend(path, value)
		}
	}
}

// ownWords is the member whose place among the extensions says that the request is an Anthropic client's: how much to think
// and how to pick words are written as they are, and not translated for the model.
const ownWords = "thinking"

// translated reports whether the encoder would change how much the model thinks, or how it picks its words.
func translated(diff map[string]string) bool {
	for path := range diff {
		switch name, _, _ := strings.Cut(path, "."); name {
		case ownWords, "output_config", "temperature", "top_p", "top_k":
			return true
		}
	}
	return false
}

// unpredicted is what of the head the encoder wouldn't write. A bound that is absent, as it is where tokens are only
// counted, is no statement.
func (q *reading) unpredicted() map[string]string {
	e := &asking{prompt: q.prompt, ask: dialect.Ask{Model: q.facts.Model}}
	e.plan()
	var w object.Writer
	w.Patched(q.prompt.GetExtensions(), func() {
		e.bound(&w)
		e.head(&w)
	})
	diff := object.Diff(q.head.Bytes(), w.Bytes())
	if diff["max_tokens"] == "" {
		delete(diff, "max_tokens")
	}
	maps.DeleteFunc(diff, func(path, _ string) bool { return path == ownWords && q.prompt.Extensions != nil })
	return diff
}

func readSampling(r *object.Reader) *llmv1.Sampling {
	s := &llmv1.Sampling{
		MaxOutputTokens: r.Int("max_tokens"), Temperature: r.Float("temperature"), TopP: r.Float("top_p"), TopK: r.Int("top_k"),
		StopSequences: r.Texts("stop_sequences"),
	}
	if s.MaxOutputTokens == nil && s.Temperature == nil && s.TopP == nil && s.TopK == nil && s.GetStopSequences() == nil {
		return nil
	}
	return s
}

var modes = map[string]llmv1.ReasoningMode{
	"enabled": llmv1.ReasoningMode_REASONING_MODE_ENABLED, "adaptive": llmv1.ReasoningMode_REASONING_MODE_ADAPTIVE,
	"disabled": llmv1.ReasoningMode_REASONING_MODE_DISABLED, "between_tools": llmv1.ReasoningMode_REASONING_MODE_BETWEEN_TOOLS,
}

func readReasoning(r *object.Reader) *llmv1.Reasoning {
	t, out := r.Sub("thinking"), r.Sub("output_config")
	m := &llmv1.Reasoning{
		Mode: modes[t.Text("type")], BudgetTokens: t.Int("budget_tokens"), Display: t.Text("display"), Effort: out.Text("effort"),
	}
	if m.GetMode() == 0 && m.BudgetTokens == nil && m.GetEffort() == "" {
		return nil
	}
	return m
}

// readFormat reads the form of the answer; output_format is what it was called at first.
func readFormat(r *object.Reader) *llmv1.ResponseFormat {
	raw := rawjson.Get(r.Peek("output_config"), "format")
	if raw == nil {
		raw = r.Peek("output_format")
	}
	f, ok := object.Read(raw)
	if !ok || !f.Word("type", "json_schema") || rawjson.Kind(f.Peek("schema")) != 'o' {
		return nil
	}
	format := &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA, Schema: f.JSON("schema")}
	format.Extensions = f.Left()
	return format
}
