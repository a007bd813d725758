package complexity

import (
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

var speakers = map[llmv1.Role]role{
	llmv1.Role_ROLE_SYSTEM: instructor, llmv1.Role_ROLE_ASSISTANT: model, llmv1.Role_ROLE_TOOL: tool,
}

// prompt reads a typed prompt.
func (r *reader) prompt(p *llmv1.Prompt) {
	r.plain(p.GetSystem(), &r.system)
	r.parts(p.GetSystemParts(), &r.system)
	for _, m := range p.GetMessages() {
		speaker := speakers[m.GetRole()]
		if speaker != tool { // their results are counted by the parts
			r.speaks(speaker)
		} else {
			r.shape.Messages++
		}
		r.parts(m.GetParts(), r.into(speaker))
	}
	r.shape.Tools = len(p.GetTools())
	r.bound = p.GetSampling().GetMaxOutputTokens()
	r.schema = len(p.GetResponseFormat().GetSchema())
	r.effort = efforts[p.GetReasoning().GetEffort()]
	if p.GetReasoning().GetMode() == llmv1.ReasoningMode_REASONING_MODE_ENABLED {
		r.budget(p.GetReasoning().GetBudgetTokens())
	}
}

func (r *reader) parts(parts []*llmv1.Part, into *text) {
	for _, part := range parts {
		switch kind := part.GetKind().(type) {
		case *llmv1.Part_Text:
			r.plain(kind.Text.GetText(), into)
		case *llmv1.Part_ToolCallResponse:
			r.results++
			r.parts(kind.ToolCallResponse.GetParts(), &r.context)
		case *llmv1.Part_Blob, *llmv1.Part_File, *llmv1.Part_Uri:
			r.shape.Media = true
		case *llmv1.Part_Native: // a picture or a document in a form of its own
			t := kind.Native.GetType()
			r.shape.Media = r.shape.Media || t == "image" || t == "document"
		}
	}
}

func (r *reader) plain(t string, into *text) {
	if r.scan && t != "" {
		s := scanner{text: into}
		s.plain(t)
	}
}
