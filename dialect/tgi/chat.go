package tgi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/openai"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// flavour is what TGI takes of OpenAI's request.
var flavour = openai.Flavour{MaxTokens: true, NoEffort: true, ToolIDs: dialect.IDRule{Max: 256, Prefix: "call_"}}

// EncodeChat writes a prompt as a request of POST /v1/chat/completions. What TGI would ignore or misread is refused
// (UNSUPPORTED, with the field's path in the prompt), or, where leaving it out does no harm, a warning.
func EncodeChat(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error) {
	if err := dialect.CheckPrompt(p); err != nil {
		return nil, nil, err
	}
	if err := refused(p); err != nil {
		return nil, nil, err
	}
	bare, warnings := plain(p)
	body, more, err := flavour.EncodeRequest(bare, a)
	if err != nil {
		return nil, nil, err
	}
	if format := formatOf(p.GetResponseFormat()); format != "" {
		body = object.Patch(body, map[string]string{"response_format": format})
	}
	return body, append(warnings, more...), nil
}

// refused says what of a prompt TGI can't do: it ignores most of it without a word.
func refused(p *llmv1.Prompt) error {
	s := p.GetSampling()
	switch {
	case s.GetChoices() > 1:
		return unsupported("prompt.sampling.choices", "TGI gives one answer; ask several times")
	case len(s.GetLogitBias()) > 0:
		return unsupported("prompt.sampling.logit_bias", "TGI ignores it; leave it out")
	case s.GetPresencePenalty() != 0: // it would become a repetition penalty of 2 and more
		return unsupported("prompt.sampling.presence_penalty", "TGI has no such parameter; leave it out")
	case len(p.GetTools()) > 0 && constrained(p.GetResponseFormat()):
		return unsupported("prompt.response_format", "TGI gives either a form to its answer or calls tools; send one of them")
	}
	for i, t := range p.GetTools() {
		if t.GetNative() != "" {
			return unsupported(index("prompt.tools", i)+".native", "TGI calls functions only; leave it out")
		}
	}
	for i, m := range p.GetMessages() {
		if at := unreadable(m.GetParts()); at != "" {
			return unsupported(index("prompt.messages", i)+at, "TGI takes text and pictures; send the content as text")
		}
	}
	return nil
}

// unreadable is the place of the first content that isn't text or a picture, `.parts[1]`; empty where there is none. TGI's
// deserializer knows no other (422 in plain text).
func unreadable(parts []*llmv1.Part) string {
	for i, part := range parts {
		switch {
		case part.GetFile() != nil, part.GetUri() != nil && part.GetUri().GetModality() != llmv1.Modality_MODALITY_IMAGE,
			part.GetBlob() != nil && !readable(part.GetBlob()):
			return index(".parts", i)
		case part.GetToolCallResponse() != nil:
			if at := unreadable(part.GetToolCallResponse().GetParts()); at != "" {
				return index(".parts", i) + ".tool_call_response" + at
			}
		}
	}
	return ""
}

// readable reports whether content becomes a picture or text.
func readable(b *llmv1.BlobPart) bool {
	switch b.GetModality() {
	case llmv1.Modality_MODALITY_IMAGE:
		return true
	case llmv1.Modality_MODALITY_DOCUMENT, llmv1.Modality_MODALITY_UNSPECIFIED:
		return b.GetMimeType() == "text/plain" || strings.HasPrefix(b.GetMimeType(), "image/")
	}
	return false
}

// plain is the prompt without what says nothing to TGI, or the opposite of what was meant: a presence penalty of 0 becomes
// a repetition penalty of 2, and a top_p of 1 is out of its bounds. The messages are the prompt's own.
func plain(p *llmv1.Prompt) (bare *llmv1.Prompt, warnings []string) {
	bare = &llmv1.Prompt{
		System: p.GetSystem(), SystemParts: p.GetSystemParts(), Messages: p.GetMessages(), Sampling: sampling(p.GetSampling()),
		Reasoning: p.GetReasoning(), Extensions: p.GetExtensions(),
	}
	bare.Tools, bare.ToolChoice = tools(p.GetTools(), p.GetToolChoice())
	if p.GetUser() != "" {
		warnings = append(warnings, "dropped prompt.user: TGI has no place for it")
	}
	return bare, warnings
}

func sampling(s *llmv1.Sampling) *llmv1.Sampling {
	if s == nil {
		return nil
	}
	bare := &llmv1.Sampling{
		MaxOutputTokens: s.MaxOutputTokens, Temperature: s.Temperature, TopP: s.TopP, TopK: s.TopK, MinP: s.MinP,
		StopSequences: s.GetStopSequences(), Seed: s.Seed, FrequencyPenalty: s.FrequencyPenalty, RepetitionPenalty: s.RepetitionPenalty,
		LogProbs: s.LogProbs, TopLogProbs: s.TopLogProbs,
	}
	if s.GetTopP() >= 1 {
		bare.TopP = nil
	}
	return bare
}

// tools leaves out the tools that aren't among the allowed ones, and the bound on parallel calls: TGI never makes two.
func tools(list []*llmv1.Tool, c *llmv1.ToolChoice) ([]*llmv1.Tool, *llmv1.ToolChoice) {
	if c == nil {
		return list, nil
	}
	if allowed := c.GetAllowed(); len(allowed) > 0 {
		list = slices.DeleteFunc(slices.Clone(list), func(t *llmv1.Tool) bool { return !slices.Contains(allowed, t.GetName()) })
	}
	if c.GetMode() == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_UNSPECIFIED {
		return list, nil
	}
	return list, &llmv1.ToolChoice{Mode: c.GetMode(), Name: c.GetName()}
}

func constrained(f *llmv1.ResponseFormat) bool { return formatOf(f) != "" }

// formatOf is TGI's word for the form of an answer: the schema or the expression stands under value. Empty for free text.
func formatOf(f *llmv1.ResponseFormat) string {
	var w object.Writer
	switch f.GetKind() {
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_OBJECT:
		return `{"type":"json_object","value":{"type":"object"}}`
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA:
		if f.GetSchema() == "" {
			return `{"type":"json_object","value":{"type":"object"}}`
		}
		w.Object(func() {
			w.Always("type", "json_schema")
			w.Sub("value", func() {
				w.Text("name", f.GetName())
				w.JSON("schema", f.GetSchema())
				w.Bool("strict", f.Strict)
			})
		})
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_REGEX:
		w.Object(func() {
			w.Always("type", "regex")
			w.Always("value", f.GetPattern())
		})
	}
	return string(w.Bytes())
}

func unsupported(field, why string) error {
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s: %s", field, why).With("field", field)
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
