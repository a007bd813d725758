package tgi

import (
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// EncodeGenerate writes a prompt as a request of POST /generate and /generate_stream. The conversation becomes one text:
// that of the user alone, or, where others speak too, a transcript that the model goes on with. Errors and warnings are as
// those of [EncodeChat].
func EncodeGenerate(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error) {
	if err := dialect.CheckPrompt(p); err != nil {
		return nil, nil, err
	}
	if err := ungenerable(p); err != nil {
		return nil, nil, err
	}
	if p.GetUser() != "" {
		warnings = append(warnings, "dropped prompt.user: TGI has no place for it")
	}
	if p.GetReasoning() != nil {
		warnings = append(warnings, "dropped prompt.reasoning: TGI has no place for it")
	}
	inputs, err := transcript(p)
	if err != nil {
		return nil, nil, err
	}
	var w object.Writer
	w.Object(func() {
		w.Always("inputs", inputs)
		w.Sub("parameters", func() { parameters(&w, p) })
	})
	return w.Bytes(), warnings, nil
}

func ungenerable(p *llmv1.Prompt) error {
	s := p.GetSampling()
	const why = "TGI's /generate has nothing like it; leave it out"
	switch {
	case len(p.GetTools()) > 0:
		return unsupported("prompt.tools", "a model without a chat template calls no tools; leave them out")
	case s.GetLogProbs():
		return unsupported("prompt.sampling.log_probs", why)
	case s.GetMinP() != 0:
		return unsupported("prompt.sampling.min_p", why)
	case len(s.GetStopSequences()) > maxStops:
		return unsupported("prompt.sampling.stop_sequences", "TGI takes at most 4")
	}
	return refused(p)
}

// maxStops is how many stop sequences TGI takes unless its operator says otherwise (--max-stop-sequences).
const maxStops = 4

// parameters writes how the model picks its words. Without do_sample a request with parameters is answered greedily.
func parameters(w *object.Writer, p *llmv1.Prompt) {
	s := sampling(p.GetSampling())
	if s == nil {
		s = &llmv1.Sampling{}
	}
	greedy := s.Temperature != nil && s.GetTemperature() == 0
	w.Int("max_new_tokens", s.MaxOutputTokens)
	if !greedy {
		w.Float("temperature", s.Temperature)
	}
	w.Float("top_p", s.TopP)
	w.Int("top_k", s.TopK)
	w.Float("repetition_penalty", s.RepetitionPenalty)
	w.Float("frequency_penalty", s.FrequencyPenalty)
	w.Texts("stop", s.GetStopSequences())
	w.Int("seed", s.Seed)
	sample := !greedy
	w.Bool("do_sample", &sample)
	w.True("details", true) // why it stopped, and what it consumed
	if grammar := grammarOf(p.GetResponseFormat()); grammar != "" {
		w.JSON("grammar", grammar)
	}
}

// grammarOf is formatOf in the older words that every version of /generate takes: a schema by itself, of type json.
func grammarOf(f *llmv1.ResponseFormat) string {
	schema := f.GetSchema()
	switch f.GetKind() {
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_OBJECT:
		schema = ""
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA:
	default:
		return formatOf(f)
	}
	if schema == "" {
		schema = `{"type":"object"}`
	}
	return `{"type":"json","value":` + schema + `}`
}

// transcript is the conversation as one text.
func transcript(p *llmv1.Prompt) (string, error) {
	messages := p.GetMessages()
	instructions, bad := words(p.GetSystemParts())
	if instructions = p.GetSystem() + instructions; bad >= 0 {
		return "", wordless(index("prompt.system_parts", bad))
	}
	var b strings.Builder
	if instructions != "" {
		b.WriteString(instructions + "\n\n")
	}
	for i, m := range messages {
		text, bad := words(m.GetParts())
		switch {
		case bad >= 0:
			return "", wordless(index(index("prompt.messages", i)+".parts", bad))
		case len(messages) == 1 && m.GetRole() == llmv1.Role_ROLE_USER && instructions == "":
			return text, nil
		}
		if b.WriteString(speakers[m.GetRole()] + text); i < len(messages)-1 {
			b.WriteString("\n")
		}
	}
	if messages[len(messages)-1].GetRole() != llmv1.Role_ROLE_ASSISTANT {
		b.WriteString("\nAssistant:")
	}
	return b.String(), nil
}

var speakers = map[llmv1.Role]string{
	llmv1.Role_ROLE_USER: "User: ", llmv1.Role_ROLE_ASSISTANT: "Assistant: ", llmv1.Role_ROLE_TOOL: "Tool: ",
}

func wordless(field string) error {
	return unsupported(field, "a model without a chat template takes text only")
}

// words joins texts; thoughts are left out. Bad is the first part that is anything else, or negative.
func words(parts []*llmv1.Part) (text string, bad int) {
	if len(parts) == 1 && parts[0].GetText() != nil {
		return parts[0].GetText().GetText(), -1
	}
	var b strings.Builder
	for i, part := range parts {
		switch k := part.GetKind().(type) {
		case *llmv1.Part_Text:
			b.WriteString(k.Text.GetText())
		case *llmv1.Part_Refusal:
			b.WriteString(k.Refusal.GetText())
		case *llmv1.Part_Reasoning:
		default:
			return "", i
		}
	}
	return b.String(), -1
}
