// Package cross carries requests and answers from one vendor's dialect to another: it decides what becomes of the fields
// that the shared vocabulary has no place for, and names fields in the words of the dialect that the client spoke.
package cross

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// maxWarnings bounds the list of what was left out.
const maxWarnings = 16

// Settle takes the extensions out of a prompt that was read in a dialect: each is left out in silence, left out with a
// warning, or the reason to refuse the request (UNSUPPORTED, with the field in the client's words), by the table of
// [Rules]. The prompt is changed in place.
func Settle(p *llmv1.Prompt, from llmv1.Dialect) (warnings []string, err error) {
	s := &settling{dialect: from}
	s.settle(Request, "", &p.Extensions)
	s.parts(fieldOf(from, "prompt.system_parts"), p.GetSystemParts(), llmv1.Role_ROLE_SYSTEM)
	for i, m := range p.GetMessages() {
		path := fmt.Sprintf("messages[%d]", i)
		s.role = m.GetRole()
		s.settle(Message, path, &m.Extensions)
		s.parts(path+".content", m.GetParts(), m.GetRole())
	}
	for i, t := range p.GetTools() {
		s.settle(Tool, fmt.Sprintf("tools[%d]", i), &t.Extensions)
	}
	if c := p.GetToolChoice(); c != nil {
		s.settle(ToolChoice, "tool_choice", &c.Extensions)
	}
	if f := p.GetResponseFormat(); f != nil {
		s.settle(ResponseFormat, fieldOf(from, "prompt.response_format"), &f.Extensions)
	}
	return s.warnings, s.refused
}

type settling struct {
	dialect  llmv1.Dialect
	role     llmv1.Role
	warnings []string
	refused  error
}

func (s *settling) parts(path string, parts []*llmv1.Part, role llmv1.Role) {
	s.role = role
	for i, part := range parts {
		at := fmt.Sprintf("%s[%d]", path, i)
		s.settle(Content, at, &part.Extensions)
		if part.GetNative() != nil && role != llmv1.Role_ROLE_ASSISTANT && s.refused == nil {
			s.refused = fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s: %s", at, unknown).With("field", at)
		}
		for _, c := range part.GetText().GetCitations() {
			c.Extensions = nil // a quotation in the history: the text is what counts
		}
		if r := part.GetToolCallResponse(); r != nil {
			s.parts(at+".content", r.GetParts(), role)
		}
	}
}

func (s *settling) settle(where Place, path string, extensions *map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(*extensions)) {
		value := (*extensions)[name]
		rule := find(s.dialect, where, name, s.role)
		field := name
		if path != "" {
			field = path + "." + name
		}
		switch {
		case value == "" || value == "null" || rule.Do == Silent || slices.Contains(rule.Harmless, value):
		case rule.Do == Drop:
			s.warn(field + ": " + rule.Why)
		case s.refused == nil:
			s.refused = fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s: %s", field, rule.Why).With("field", field)
		}
	}
	*extensions = nil
}

func (s *settling) warn(what string) {
	if what = "dropped " + what; len(s.warnings) < maxWarnings && !slices.Contains(s.warnings, what) {
		s.warnings = append(s.warnings, what)
	}
}

// Answer returns a completion without what only its provider's dialect has words for: it is written in another one. The
// completion is changed in place.
func Answer(c *llmv1.Completion, model string) *llmv1.Completion {
	c.Extensions = nil
	if c.GetModel() == "" {
		c.Model = model
	}
	if c.GetUsage() != nil {
		c.Usage.Extensions = nil
	}
	bareLogProbs(c.GetLogProbs())
	bareMessage(c.GetMessage())
	for _, choice := range c.GetFurtherChoices() {
		choice.Extensions = nil
		bareLogProbs(choice.GetLogProbs())
		bareMessage(choice.GetMessage())
	}
	return c
}

func bareMessage(m *llmv1.Message) {
	if m == nil {
		return
	}
	m.Extensions = nil
	for _, part := range m.GetParts() {
		part.Extensions = nil
		for _, c := range part.GetText().GetCitations() {
			c.Extensions = nil
		}
	}
}

func bareLogProbs(l *llmv1.LogProbs) {
	if l != nil {
		l.Extensions = nil
	}
}

// Error returns an error with its field named as a client of the dialect named it.
func Error(err error, d llmv1.Dialect) error {
	f := fault.From(err)
	field := f.Metadata["field"]
	if !strings.HasPrefix(field, "prompt") && !strings.HasPrefix(field, "input") {
		return err
	}
	theirs := fieldOf(d, field)
	f.Message = strings.ReplaceAll(f.Message, field, theirs)
	return f.With("field", theirs)
}

// Warnings returns a codec's warnings with fields named as a client of the dialect named them.
func Warnings(warnings []string, d llmv1.Dialect) []string {
	theirs := make([]string, 0, len(warnings))
	for _, w := range warnings {
		words := strings.Fields(w)
		for i, word := range words {
			if bare := strings.TrimRight(word, ":,;"); strings.HasPrefix(bare, "prompt.") {
				words[i] = fieldOf(d, bare) + word[len(bare):]
			}
		}
		theirs = append(theirs, strings.Join(words, " "))
	}
	return theirs
}
