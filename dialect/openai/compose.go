package openai

import (
	"strconv"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// calls is the kind of a part that is a tool call.
const calls kind = refusing + 1

// voice is how far one choice has been written.
type voice struct {
	number int32
	// began says that the role was written, finished that the finish_reason was, called that there was a tool call.
	began, finished, called bool
	parts                   []*voicePart
	// calls, details and citations count what was written of each, characters those of its text.
	calls, details, citations int
	characters                int64
}

// voicePart is one part of a choice's message.
type voicePart struct {
	index int32
	kind  kind
	// number is a call's own; freeForm says that it is of a custom tool.
	number   int
	freeForm bool
	// argued says that the call has arguments so far.
	argued bool
	// thought gathers a thought and its seal, for reasoning_details.
	thought llmv1.ReasoningPart
	text    []byte
	// from is how many characters stood before it; citations wait for its end, to say where they belong.
	from      int64
	citations []*llmv1.Citation
}

func (e *Encoder) find(number int32) *voice {
	for _, v := range e.voices {
		if v.number == number {
			return v
		}
	}
	return nil
}

// part returns the part at an index; nil where none began there.
func (v *voice) part(index int32) *voicePart {
	for i := len(v.parts) - 1; i >= 0; i-- {
		if v.parts[i].index == index {
			return v.parts[i]
		}
	}
	return nil
}

// composed is what one chunk says.
type composed struct {
	name    string
	choices []*composedChoice
	usage   *llmv1.TokenUsage
}

// composedChoice is what one chunk says for one choice.
type composedChoice struct {
	number                             int32
	role, content                      bool
	text, refusal, reasoning, finished string
	details                            []*llmv1.ReasoningPart
	calls                              []*composedCall
	citations                          []*llmv1.Citation
	logProbs                           *llmv1.LogProbs
	// firstDetail and firstCitation are the numbers of the first of each.
	firstDetail, firstCitation int
}

// composedCall is what one chunk says of one tool call; it begins with it where call is set.
type composedCall struct {
	number    int
	call      *llmv1.ToolCallPart
	freeForm  bool
	arguments string
}

// compose puts events together to one chunk.
func (e *Encoder) compose(events ...*llmv1.StreamEvent) composed {
	c := composed{}
	for _, event := range events {
		switch kind := event.GetEvent().(type) {
		case *llmv1.StreamEvent_Start:
			e.begin(kind.Start)
			e.speak(&c, 0)
		case *llmv1.StreamEvent_PartStart:
			e.partStart(&c, kind.PartStart)
		case *llmv1.StreamEvent_PartDelta:
			e.partDelta(&c, kind.PartDelta)
		case *llmv1.StreamEvent_PartEnd:
			e.partEnd(&c, kind.PartEnd)
		case *llmv1.StreamEvent_Usage:
			c.usage = kind.Usage
		case *llmv1.StreamEvent_Finish:
			e.finish(&c, kind.Finish)
		case *llmv1.StreamEvent_Native:
			if len(events) > 1 {
				c.name = kind.Native.GetName()
			}
		}
	}
	return c
}

// voice returns how far a choice is.
func (e *Encoder) voice(number int32) *voice {
	if v := e.find(number); v != nil {
		return v
	}
	v := &voice{number: number}
	e.voices = append(e.voices, v)
	return v
}

// speak makes a choice begin, if it hasn't: its first chunk says the role.
func (e *Encoder) speak(c *composed, number int32) *voice {
	v := e.voice(number)
	if !v.began {
		v.began = true
		c.choice(v).role = true
	}
	return v
}

// choice returns what the chunk says for a choice.
func (c *composed) choice(v *voice) *composedChoice {
	for _, one := range c.choices {
		if one.number == v.number {
			return one
		}
	}
	one := &composedChoice{number: v.number, firstDetail: v.details, firstCitation: v.citations}
	c.choices = append(c.choices, one)
	return one
}

func (e *Encoder) partStart(c *composed, s *llmv1.PartStart) {
	v := e.speak(c, s.GetChoice())
	p := &voicePart{index: s.GetIndex(), from: v.characters}
	v.parts = append(v.parts, p)
	switch kind := s.GetPart().GetKind().(type) {
	case *llmv1.Part_Text:
		p.kind = saying
		c.say(v, p, kind.Text.GetText())
		for _, citation := range kind.Text.GetCitations() {
			c.cite(v, p, citation)
		}
	case *llmv1.Part_Refusal:
		p.kind = refusing
		c.say(v, p, kind.Refusal.GetText())
	case *llmv1.Part_Reasoning:
		p.kind = thinking
		p.thought.Signature, p.thought.Redacted = kind.Reasoning.GetSignature(), kind.Reasoning.GetRedacted()
		c.say(v, p, kind.Reasoning.GetText())
	case *llmv1.Part_ToolCall:
		c.call(v, p, kind.ToolCall)
	}
}

// call begins a tool call.
func (c *composed) call(v *voice, p *voicePart, call *llmv1.ToolCallPart) {
	p.kind, p.number, p.freeForm = calls, v.calls, call.GetFreeForm()
	v.calls++
	v.called = true
	p.argued = call.GetArguments() != ""
	one := c.choice(v)
	one.calls = append(one.calls, &composedCall{number: p.number, call: call, freeForm: p.freeForm, arguments: call.GetArguments()})
}

func (e *Encoder) partDelta(c *composed, delta *llmv1.PartDelta) {
	v := e.speak(c, delta.GetChoice())
	p := v.part(delta.GetIndex())
	if p == nil {
		return
	}
	switch kind := delta.GetDelta().(type) {
	case *llmv1.PartDelta_Text:
		c.say(v, p, kind.Text)
	case *llmv1.PartDelta_Arguments:
		c.argue(v, p, kind.Arguments)
	case *llmv1.PartDelta_Signature:
		p.thought.Signature = kind.Signature
	case *llmv1.PartDelta_Citation:
		c.cite(v, p, kind.Citation)
	}
	if delta.GetLogProbs() != nil {
		c.choice(v).logProbs = delta.GetLogProbs()
	}
}

// say says words of a part of text.
func (c *composed) say(v *voice, p *voicePart, text string) {
	if text == "" {
		return
	}
	one := c.choice(v)
	switch p.kind {
	case thinking:
		one.reasoning += text
		p.text = append(p.text, text...)
	case refusing:
		one.refusal += text
	case saying:
		one.text += text
		one.content = true
		v.characters += int64(utf8.RuneCountInString(text))
	}
}

// argue goes on with a call's arguments, in the same entry where it began in the same chunk.
func (c *composed) argue(v *voice, p *voicePart, arguments string) {
	if p.kind != calls || arguments == "" {
		return
	}
	p.argued = true
	one := c.choice(v)
	for _, call := range one.calls {
		if call.number == p.number {
			call.arguments += arguments
			return
		}
	}
	one.calls = append(one.calls, &composedCall{number: p.number, freeForm: p.freeForm, arguments: arguments})
}

// cite gives a source: at once where it says which words it belongs to, else at the end of the part.
func (c *composed) cite(v *voice, p *voicePart, citation *llmv1.Citation) {
	switch {
	case citation.GetType() == urlCitation:
		one := c.choice(v)
		one.citations = append(one.citations, citation)
		v.citations++
	case citable(citation):
		p.citations = append(p.citations, citation)
	}
}

// unargued ends a call that got no arguments, as Anthropic's and vLLM's without parameters do: OpenAI's are always JSON.
func (e *Encoder) unargued(c *composed, end *llmv1.PartEnd) {
	v := e.find(end.GetChoice())
	if v == nil {
		return
	}
	if p := v.part(end.GetIndex()); p != nil && p.kind == calls && !p.argued && !p.freeForm {
		c.argue(v, p, "{}")
	}
}

// partEnd ends a part: what was put off until then is told.
func (e *Encoder) partEnd(c *composed, end *llmv1.PartEnd) {
	v := e.voice(end.GetChoice())
	p := v.part(end.GetIndex())
	if p == nil {
		return
	}
	for _, citation := range p.citations {
		c.cite(v, p, placed(citation, p.from, v.characters))
	}
	p.citations = nil
	if p.kind != thinking || signatureOf(&p.thought) == "" && p.thought.GetRedacted() == "" {
		return
	}
	p.thought.Text = string(p.text)
	one := c.choice(v)
	one.details = append(one.details, &p.thought)
	v.details++
}

func (e *Encoder) finish(c *composed, f *llmv1.StreamFinish) {
	v := e.speak(c, f.GetChoice())
	if v.finished {
		return
	}
	v.finished = true
	c.choice(v).finished = finishWord(f.GetReason(), f.GetRawReason(), v.called)
}

// write writes a chunk with extensions put over it.
func (e *Encoder) write(c composed, extensions map[string]string) []byte {
	if len(e.head) == 0 {
		e.begin(&llmv1.StreamStart{})
	}
	var w object.Writer
	for _, choice := range c.choices {
		choice.write(&w)
	}
	body := append(append(append([]byte(nil), e.head...), w.Bytes()...), ']')
	if e.ask.IncludeUsage {
		var u object.Writer
		u.Value([]byte("null"))
		if c.usage != nil {
			u = object.Writer{}
			writeUsage(&u, c.usage)
		}
		body = append(append(body, `,"usage":`...), u.Bytes()...)
	}
	return object.Patch(append(body, '}'), extensions)
}

func (c *composedChoice) write(w *object.Writer) {
	w.Object(func() {
		w.Number("index", int64(c.number))
		w.Name("delta")
		w.Object(func() { c.delta(w) })
		w.Name("logprobs")
		writeLogProbs(w, c.logProbs)
		if c.finished == "" {
			w.Null("finish_reason")
		} else {
			w.Always("finish_reason", c.finished)
		}
	})
}

func (c *composedChoice) delta(w *object.Writer) {
	if c.role {
		w.Always("role", "assistant")
	}
	switch {
	case c.content, c.role && len(c.calls) == 0:
		w.Always("content", c.text)
	case c.role:
		w.Null("content")
	}
	if c.refusal != "" {
		w.Always("refusal", c.refusal)
	} else if c.role {
		w.Null("refusal")
	}
	w.Text("reasoning", c.reasoning)
	c.writeLists(w)
}

// writeLists writes what comes in lists: each entry numbered, since openai-python merges them by number.
func (c *composedChoice) writeLists(w *object.Writer) {
	array(w, "reasoning_details", c.details, func(i int, r *llmv1.ReasoningPart) { writeDetail(w, c.firstDetail+i, r) })
	array(w, "tool_calls", c.calls, func(_ int, call *composedCall) { call.write(w) })
	array(w, "annotations", c.citations, func(i int, citation *llmv1.Citation) { writeCitation(w, citation, c.firstCitation+i) })
}

func array[T any](w *object.Writer, name string, elements []T, write func(i int, element T)) {
	if len(elements) == 0 {
		return
	}
	w.Name(name)
	w.Array(func() {
		for i, element := range elements {
			write(i, element)
		}
	})
}

func (c *composedCall) write(w *object.Writer) {
	form, arguments := callForm(&llmv1.ToolCallPart{FreeForm: c.freeForm})
	w.Object(func() {
		w.Number("index", int64(c.number))
		if c.call != nil {
			w.Always("id", dialect.ToolID(c.call.GetId(), dialect.OpenAIToolID))
			w.Always("type", form)
		}
		w.Sub(form, func() {
			if c.call != nil {
				w.Always("name", c.call.GetName())
			}
			w.Always(arguments, c.arguments)
		})
	})
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
