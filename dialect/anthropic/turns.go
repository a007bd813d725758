package anthropic

import (
	"slices"
	"strconv"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// turn is one message as Anthropic takes it: several of the prompt, where they have one speaker.
type turn struct {
	role       string
	parts      []*llmv1.Part
	extensions map[string]string
	// results says that it holds messages of tools: their answers come first.
	results bool
}

func (t turn) write(w writer) {
	w.Patched(t.extensions, func() {
		w.Always("role", t.role)
		if len(t.parts) > 0 {
			w.content(t.parts)
		}
	})
}

// gather sorts the prompt into instructions and turns.
func (q *asking) gather() {
	if text := q.prompt.GetSystem(); text != "" {
		q.system = append(q.system, textOf(text))
	}
	q.fail(q.instruct(q.prompt.GetSystemParts()).in("prompt.system_parts"))
	for i, m := range q.prompt.GetMessages() {
		q.fail(q.message(i, m).at(i).in("prompt.messages"))
	}
}

// fail keeps the first reason not to ask.
func (q *asking) fail(f *flaw) {
	if f != nil && q.err == nil {
		q.err = f.fault()
	}
}

func (q *asking) message(i int, m *llmv1.Message) *flaw {
	if m.GetName() != "" {
		q.dropped(pathOf(i)+".name", "Anthropic's messages have no names")
	}
	switch {
	case m.GetRole() == llmv1.Role_ROLE_UNSPECIFIED:
		return wrong("role", "must be set")
	case m.GetRole() != llmv1.Role_ROLE_SYSTEM || m.GetExtensions()["role"] == `"system"`:
		return q.turn(i, m)
	case len(q.turns) > 0:
		q.warn("moved " + pathOf(i) + ": Anthropic's instructions stand before the conversation")
	}
	return q.instruct(m.GetParts()).in("parts")
}

func pathOf(message int) string { return "prompt.messages[" + strconv.Itoa(message) + "]" }

// instruct adds parts to the instructions.
func (q *asking) instruct(parts []*llmv1.Part) *flaw {
	for i, part := range parts {
		switch part.GetKind().(type) {
		case *llmv1.Part_Text, *llmv1.Part_Native:
			if f := unfit(part); f != nil {
				return f.at(i)
			}
			if !wordless(part) {
				q.system = append(q.system, part)
			}
		default:
			return unsupported("has to be text, as Anthropic's instructions are").at(i)
		}
	}
	return nil
}

func (q *asking) writeSystem(w writer) {
	switch {
	case len(q.system) == 0:
	case len(q.prompt.GetSystemParts()) > 0 || slices.ContainsFunc(q.system, func(p *llmv1.Part) bool { return !plain(p) }):
		w.Name("system")
		w.list(q.system)
	default:
		texts := make([]string, 0, len(q.system))
		for _, part := range q.system {
			texts = append(texts, part.GetText().GetText())
		}
		w.Always("system", strings.Join(texts, "\n\n"))
	}
}

// turn adds a message to the conversation, to the turn before where they have one speaker. A message with extensions is an
// Anthropic client's and stays by itself, but for what tools answer, which has to be in one turn.
func (q *asking) turn(i int, m *llmv1.Message) *flaw {
	tool := m.GetRole() == llmv1.Role_ROLE_TOOL
	t := turn{role: roleWord(m.GetRole()), extensions: m.GetExtensions(), results: tool}
	if tool {
		t.extensions = nil
	}
	var f *flaw
	if t.parts, f = q.kept(i, m); f != nil {
		return f.in("parts")
	}
	if _, content := t.extensions["content"]; len(t.parts) == 0 && !content {
		q.dropped(pathOf(i), "nothing is left of it, and Anthropic refuses empty messages")
		return nil
	}
	if n := len(q.turns); n > 0 && q.turns[n-1].takes(t) {
		q.turns[n-1].add(t)
		return nil
	}
	q.turns = append(q.turns, t)
	return nil
}

func (t turn) takes(next turn) bool {
	return t.role == next.role && len(t.extensions) == 0 && len(next.extensions) == 0
}

// add joins a turn of the same speaker. Anthropic wants what tools answered before anything else.
func (t *turn) add(next turn) {
	t.parts = append(t.parts, next.parts...)
	if t.results = t.results || next.results; t.results {
		slices.SortStableFunc(t.parts, func(a, b *llmv1.Part) int { return rank(a) - rank(b) })
	}
}

func rank(part *llmv1.Part) int {
	if part.GetToolCallResponse() != nil {
		return 0
	}
	return 1
}

// unsigned reports whether a part holds thoughts that Anthropic would refuse, for it hasn't signed them. An Anthropic
// client's own are left alone: other servers of the dialect sign none.
func unsigned(part *llmv1.Part) bool {
	r := part.GetReasoning()
	if r == nil || r.GetRedacted() != "" {
		return false
	}
	_, own := part.GetExtensions()["signature"]
	return r.GetSignature() == dialect.Unsigned || r.GetSignature() == "" && !own
}

// kept are the parts of a message that Anthropic is sent.
func (q *asking) kept(message int, m *llmv1.Message) ([]*llmv1.Part, *flaw) {
	parts := make([]*llmv1.Part, 0, len(m.GetParts()))
	for i, part := range m.GetParts() {
		f := unfit(part)
		switch {
		case unsigned(part):
			q.forged = q.forged || part.GetReasoning().GetSignature() == dialect.Unsigned
			q.dropped(pathOf(message)+".parts["+strconv.Itoa(i)+"]", "Anthropic takes only thoughts that it has signed")
		case f == nil && !wordless(part):
			parts = append(parts, part)
		case f != nil && m.GetRole() == llmv1.Role_ROLE_ASSISTANT && part.GetNative() != nil:
			q.dropped(pathOf(message)+".parts["+strconv.Itoa(i)+"]", "it is a note of another vendor on an earlier answer")
		case f != nil:
			return nil, f.at(i)
		}
	}
	return parts, nil
}

// unfit says why a part can't be sent to Anthropic; nil where it can.
func unfit(part *llmv1.Part) *flaw {
	if why := unsayable(part); why != "" {
		return unsupported(why)
	}
	if n := part.GetNative(); n != nil && !isObject(n.GetJson()) {
		return wrong("native.json", "must be a JSON object")
	}
	for i, inner := range part.GetToolCallResponse().GetParts() {
		if f := unfit(inner); f != nil {
			return f.at(i).in("tool_call_response.parts")
		}
	}
	return nil
}

// bareCalls reports whether the last turn of the model calls tools without signed thoughts.
func (q *asking) bareCalls() bool {
	began, calls, thinks := false, false, false
	messages := q.prompt.GetMessages()
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].GetRole() != llmv1.Role_ROLE_ASSISTANT {
			if began {
				break
			}
			continue
		}
		began = true
		for _, part := range messages[i].GetParts() {
			calls = calls || part.GetToolCall() != nil
			thinks = thinks || part.GetReasoning() != nil && !unsigned(part)
		}
	}
	return calls && !thinks
}
