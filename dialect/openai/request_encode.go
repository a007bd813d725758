package openai

import (
	"maps"
	"slices"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// maxStops is how many stop sequences OpenAI takes.
const maxStops = 4

// requestEncoder writes one request.
type requestEncoder struct {
	messageEncoder

	prompt *llmv1.Prompt
	ask    dialect.Ask
	// pending is content of tool responses that only a user's message may hold: it waits for the last tool message.
	pending []*llmv1.Part
}

// EncodeRequest writes a prompt as a chat request. What OpenAI can't express is a *fault.Error (UNSUPPORTED) that names the
// field by its path in the prompt, or, where leaving it out does no harm, a warning.
func (f Flavour) EncodeRequest(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error) {
	if err := dialect.CheckPrompt(p); err != nil {
		return nil, nil, err
	}
	e := &requestEncoder{messageEncoder: messageEncoder{flavour: f}, prompt: p, ask: a}
	e.Patched(ownExtensions(p.GetExtensions(), a), e.request)
	if e.refused != nil {
		return nil, nil, e.refused
	}
	return e.Bytes(), e.warnings, nil
}

// ownExtensions leaves out the extensions that would take from Headgate what it decides: the model, and how the answer
// comes.
func ownExtensions(extensions map[string]string, a dialect.Ask) map[string]string {
	ours := func(path, value string) bool {
		name, _, _ := strings.Cut(path, ".")
		switch name {
		case "model":
			return true
		case "stream":
			return a.Stream || value == "true" || path != name
		case "stream_options":
			return a.Stream && a.IncludeUsage && (path == name || path == "stream_options.include_usage")
		}
		return false
	}
	for path, value := range extensions {
		if ours(path, value) {
			extensions = maps.Clone(extensions)
			maps.DeleteFunc(extensions, ours)
			break
		}
	}
	return extensions
}

func (e *requestEncoder) request() {
	p := e.prompt
	e.Always("model", e.ask.Model)
	e.Name("messages")
	e.Array(e.messages)
	e.True("stream", e.ask.Stream)
	if e.ask.Stream && e.ask.IncludeUsage {
		e.Sub("stream_options", func() { e.True("include_usage", true) })
	}
	e.sampling(p.GetSampling())
	e.tools(p.GetTools())
	e.toolChoice(p.GetToolChoice())
	e.format(p.GetResponseFormat())
	e.reasoning(p.GetReasoning())
	e.Text("user", p.GetUser())
}

// messages writes the conversation, the instructions first.
func (e *requestEncoder) messages() {
	e.system()
	for i, m := range e.prompt.GetMessages() {
		e.turn(index("prompt.messages", i), m)
	}
	e.flush()
}

// system writes the instructions: one text, or a list of parts where they have extensions of their own.
func (e *requestEncoder) system() {
	if text := e.prompt.GetSystem(); text != "" {
		e.message(&llmv1.Message{}, "system", sorted{content: []contentPart{{textOf(text), "text"}}})
		return
	}
	parts := e.prompt.GetSystemParts()
	if len(parts) == 0 {
		return
	}
	texts := make([]string, 0, len(parts))
	own := false
	for i, part := range parts {
		if part.GetText() == nil {
			e.refuse(index("prompt.system_parts", i), "OpenAI takes instructions as text only")
		}
		texts = append(texts, part.GetText().GetText())
		own = own || len(part.GetExtensions()) > 0
	}
	if !own {
		parts = []*llmv1.Part{textOf(strings.Join(texts, "\n\n"))}
	}
	e.message(&llmv1.Message{}, "system", e.sort("prompt.system_parts", llmv1.Role_ROLE_SYSTEM, parts))
}

// turn writes one message as one or more of OpenAI's.
func (e *requestEncoder) turn(path string, m *llmv1.Message) {
	s := e.sort(path+".parts", m.GetRole(), m.GetParts())
	if len(s.responses) > 0 {
		e.responses(m, s)
		return
	}
	switch m.GetRole() {
	case llmv1.Role_ROLE_USER:
		e.user(path, m, s)
	case llmv1.Role_ROLE_ASSISTANT:
		e.flush()
		e.message(m, "assistant", s)
	default:
		e.flush()
		e.message(m, "system", s)
	}
}

// user writes a user's message, after what the tools answered beyond text.
func (e *requestEncoder) user(path string, m *llmv1.Message, s sorted) {
	if len(e.pending) > 0 {
		moved := e.sort(path, llmv1.Role_ROLE_USER, e.pending)
		s.content = append(moved.content, s.content...)
		e.pending = nil
	}
	e.message(m, "user", s)
}

// flush writes what the tools answered beyond text as a user's message of its own.
func (e *requestEncoder) flush() {
	if len(e.pending) > 0 {
		e.user("prompt.messages", &llmv1.Message{}, sorted{})
	}
}

// responses writes a tool message for each response, then a user's message with what else there is.
func (e *requestEncoder) responses(m *llmv1.Message, s sorted) {
	for _, r := range s.responses {
		own := &llmv1.Message{}
		if m.GetRole() == llmv1.Role_ROLE_TOOL && len(m.GetParts()) == 1 {
			own = m
		}
		e.response(own, r)
	}
	if len(s.content) > 0 {
		e.user("prompt.messages", m, s)
	}
}

func (e *requestEncoder) response(m *llmv1.Message, r responsePart) {
	if r.GetIsError() {
		e.warn(r.path+".tool_call_response.is_error", "OpenAI has no place for it; the answer has to say so itself")
	}
	id := dialect.ToolID(r.GetId(), e.flavour.idRule())
	texts := e.texts(r, id)
	e.Patched(m.GetExtensions(), func() {
		e.Always("role", "tool")
		e.Text("name", m.GetName())
		e.Always("tool_call_id", id)
		e.content(texts, false)
	})
}

// texts returns what of a tool's answer may stand in a tool message; the rest is put off.
func (e *requestEncoder) texts(r responsePart, id string) []contentPart {
	texts := make([]contentPart, 0, len(r.GetParts()))
	named := false
	for i, part := range r.GetParts() {
		path := index(r.path+".tool_call_response.parts", i)
		switch form := e.form(part); {
		case form == "":
			e.formless(path, llmv1.Role_ROLE_USER, part)
		case form == "text", part.GetExtensions()["type"] != "": // the client wrote it so itself
			texts = append(texts, contentPart{part, form})
		default:
			if !named {
				e.pending = append(e.pending, moved(id))
				named = true
			}
			e.pending = append(e.pending, part)
		}
	}
	if named && len(texts) == 0 {
		texts = append(texts, contentPart{textOf("The answer is in the user's next message."), "text"})
	}
	return texts
}

func (e *requestEncoder) sampling(s *llmv1.Sampling) {
	if s == nil {
		return
	}
	bound := "max_completion_tokens"
	if e.flavour.MaxTokens {
		bound = "max_tokens"
	}
	e.Int(bound, s.MaxOutputTokens)
	e.Float("temperature", s.Temperature)
	e.Float("top_p", s.TopP)
	if len(s.GetStopSequences()) > maxStops && !e.flavour.Sampling {
		e.refuse("prompt.sampling.stop_sequences", "OpenAI takes at most 4")
	}
	e.Texts("stop", s.GetStopSequences())
	e.Int("seed", s.Seed)
	e.Float("frequency_penalty", s.FrequencyPenalty)
	e.Float("presence_penalty", s.PresencePenalty)
	e.Int32("n", s.Choices)
	e.Bool("logprobs", s.LogProbs)
	e.Int32("top_logprobs", s.TopLogProbs)
	e.bias(s.GetLogitBias())
	e.extraSampling(s)
}

func (e *requestEncoder) bias(bias map[string]float64) {
	if len(bias) == 0 {
		return
	}
	e.Sub("logit_bias", func() {
		for _, token := range slices.Sorted(maps.Keys(bias)) {
			x := bias[token]
			e.Float(token, &x)
		}
	})
}

// extraSampling writes what OpenAI itself doesn't know; values that change nothing need no words.
func (e *requestEncoder) extraSampling(s *llmv1.Sampling) {
	if e.flavour.Sampling {
		e.Int("top_k", s.TopK)
		e.Float("repetition_penalty", s.RepetitionPenalty)
		e.Float("min_p", s.MinP)
		return
	}
	const why = "OpenAI has no such parameter; leave it out"
	switch {
	case s.TopK != nil:
		e.refuse("prompt.sampling.top_k", why)
	case s.RepetitionPenalty != nil && s.GetRepetitionPenalty() != 1:
		e.refuse("prompt.sampling.repetition_penalty", why)
	case s.GetMinP() != 0:
		e.refuse("prompt.sampling.min_p", why)
	}
}

// The bounds of thinking budgets, in tokens, up to which an effort stands for them.
const (
	lowBudget    = 2048
	mediumBudget = 8192
	highBudget   = 24576
)

// reasoning writes how hard the model thinks; a budget becomes the effort that comes nearest.
func (e *requestEncoder) reasoning(r *llmv1.Reasoning) {
	if r.GetDisplay() != "" {
		e.warn("prompt.reasoning.display", "OpenAI has no such choice")
	}
	effort := r.GetEffort()
	if effort == "" && r.GetMode() != llmv1.ReasoningMode_REASONING_MODE_DISABLED {
		effort = effortOf(r.GetBudgetTokens())
	}
	field := "prompt.reasoning.effort"
	if r.GetEffort() == "" {
		field = "prompt.reasoning.budget_tokens"
	}
	switch {
	case effort == "":
	case e.flavour.NoEffort:
		e.warn(field, "this server takes no reasoning_effort")
	case thoughtless(e.ask.Model):
		e.warn(field, "this model doesn't reason")
	default:
		e.Always("reasoning_effort", effort)
	}
}

func effortOf(budget int64) string {
	switch {
	case budget <= 0:
		return ""
	case budget <= lowBudget:
		return "low"
	case budget <= mediumBudget:
		return "medium"
	case budget <= highBudget:
		return "high"
	}
	return "xhigh"
}

// thoughtless reports whether a model is one of OpenAI's that refuse reasoning_effort.
func thoughtless(model string) bool {
	name := model[strings.LastIndexByte(model, '/')+1:]
	return strings.HasPrefix(name, "gpt-4") || strings.HasPrefix(name, "gpt-3") || strings.HasPrefix(name, "chatgpt-")
}

// read is object.Read for text that may be empty.
func read(json string) *object.Reader {
	r, _ := object.Read([]byte(json))
	return r
}
