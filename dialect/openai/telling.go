package openai

import (
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// kind is what an open part of a stream holds.
type kind uint8

const (
	nothing kind = iota
	saying
	thinking
	refusing
)

// telling is how far one choice of a stream has been told.
type telling struct {
	number int32
	// parts is how many have begun; open is what the part at index holds, if one is open.
	parts, index int32
	open         kind
	// plain says that thoughts came as text: what reasoning_details hold is the same again.
	plain bool
	calls []*calling
	// word is the first finish_reason, ended that its finish was told.
	word  string
	ended bool
}

func (d *Decoder) choice(number int32) *telling {
	for _, t := range d.choices {
		if t.number == number {
			return t
		}
	}
	t := &telling{number: number}
	d.choices = append(d.choices, t)
	return t
}

// tell tells what a chunk says for one choice: first the thoughts, then the words, then the calls, as models do.
func (d *Decoder) tell(c *pieceOf) error {
	t := d.choice(c.number)
	if t.ended { // more after the finish: the frame keeps it
		return nil
	}
	from := len(d.out)
	d.think(t, c)
	if err := d.speak(t, c); err != nil {
		return err
	}
	if text := word(c.refusal); text != "" {
		d.say(t, refusing, text)
	}
	d.cite(t, c.annotations)
	if err := d.call(t, c.calls); err != nil {
		return err
	}
	if rawjson.Kind(c.logProbs) == 'o' {
		d.weigh(from, c.logProbs)
	}
	if text := word(c.finish); text != "" {
		d.stop(t, text)
	}
	return nil
}

// think tells the thoughts, under any of their names; where two are there they say the same.
func (d *Decoder) think(t *telling, c *pieceOf) {
	text := word(c.reasoning)
	if text == "" {
		text = word(c.reasoningContent)
	}
	if text != "" {
		t.plain = true
		d.say(t, thinking, text)
	}
	for _, element := range object.Elements(c.details) {
		d.detail(t, element)
	}
}

func (d *Decoder) detail(t *telling, element []byte) {
	part := thought(element)
	switch r := part.GetReasoning(); {
	case r == nil:
	case r.GetRedacted() != "":
		d.shut(t)
		d.begin(t, part)
		d.part(t, thinking)
		d.shut(t)
	default:
		if r.GetText() != "" && !t.plain {
			d.say(t, thinking, r.GetText())
		}
		if r.GetSignature() != "" && t.open == thinking {
			d.emit(deltaEvent(&llmv1.PartDelta{Index: t.index, Choice: t.number, Delta: &llmv1.PartDelta_Signature{Signature: r.GetSignature()}}))
		}
	}
}

// speak tells content: a string, or Mistral's list of parts.
func (d *Decoder) speak(t *telling, c *pieceOf) error {
	if rawjson.Kind(c.content) != 'a' {
		if text := word(c.content); text != "" {
			d.say(t, saying, text)
		}
		return nil
	}
	for _, element := range object.Elements(c.content) {
		switch name := word(rawjson.Get(element, "type")); name {
		case "text":
			d.sayAny(t, saying, word(rawjson.Get(element, "text")))
		case "thinking":
			d.sayAny(t, thinking, thinkingText(rawjson.Get(element, "thinking")))
		case "reference": // numbers of sources that Mistral's tools gave: nothing to show
		default:
			if d.mirror == nil {
				return unsayable("more than text")
			}
		}
	}
	return nil
}

func (d *Decoder) sayAny(t *telling, k kind, text string) {
	if text != "" {
		d.say(t, k, text)
	}
}

// say appends text to the open part, after opening one of the right kind.
func (d *Decoder) say(t *telling, k kind, text string) {
	if t.open != k {
		d.shut(t)
		d.closeCalls(t, false, len(t.calls))
		d.begin(t, partOf(k))
		d.part(t, k)
	}
	b := &textDelta{}
	b.text.Text = text
	b.delta.Index, b.delta.Choice, b.delta.Delta = t.index, t.number, &b.text
	b.oneof.PartDelta = &b.delta
	b.event.Event = &b.oneof
	d.push(&b.event, &b.list)
}

// textDelta is an event with all that belongs to it, in one allocation.
type textDelta struct {
	event llmv1.StreamEvent
	oneof llmv1.StreamEvent_PartDelta
	delta llmv1.PartDelta
	text  llmv1.PartDelta_Text
	list  [1]*llmv1.StreamEvent
}

// push emits an event; a lone one is returned in the list that came with it.
func (d *Decoder) push(e *llmv1.StreamEvent, list *[1]*llmv1.StreamEvent) {
	if d.out == nil {
		list[0] = e
		d.out = list[:]
		return
	}
	d.emit(e)
}

func deltaEvent(delta *llmv1.PartDelta) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{PartDelta: delta}}
}

func partOf(k kind) *llmv1.Part {
	switch k {
	case thinking:
		return thoughtOf("")
	case refusing:
		return refusalOf("")
	}
	return textOf("")
}

// begin opens the next part of a choice's message.
func (d *Decoder) begin(t *telling, part *llmv1.Part) {
	t.parts++
	d.emit(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Index: t.parts - 1, Part: part, Choice: t.number}}})
}

// part takes note that the part begun last is open.
func (d *Decoder) part(t *telling, k kind) { t.index, t.open = t.parts-1, k }

// shut closes the open part.
func (d *Decoder) shut(t *telling) {
	if t.open == nothing {
		return
	}
	t.open = nothing
	d.over(t, t.index)
}

func (d *Decoder) over(t *telling, index int32) {
	d.emit(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{Index: index, Choice: t.number}}})
}

// cite tells annotations; they belong to the text that is open.
func (d *Decoder) cite(t *telling, annotations []byte) {
	if t.open != saying || !list(annotations) {
		return
	}
	citations, _ := readCitations(annotations, d.mirror != nil)
	for _, c := range citations {
		d.emit(deltaEvent(&llmv1.PartDelta{Index: t.index, Choice: t.number, Delta: &llmv1.PartDelta_Citation{Citation: c}}))
	}
}

// weigh puts the log probabilities to the last words of the chunk.
func (d *Decoder) weigh(from int, value []byte) {
	for i := len(d.out) - 1; i >= from; i-- {
		if delta := d.out[i].GetPartDelta(); delta != nil {
			delta.LogProbs = readLogProbs(value, d.mirror != nil)
			return
		}
	}
}

// stop takes note of a finish_reason; only the first counts.
func (d *Decoder) stop(t *telling, text string) {
	if t.word == "" {
		t.word = text
	}
	d.shut(t)
	d.closeCalls(t, true, len(t.calls))
	if d.mirror != nil {
		d.finish(t)
	}
}

// finish tells that a choice is complete. Where the provider never said why, calls are a reason.
func (d *Decoder) finish(t *telling) {
	if t.ended {
		return
	}
	t.ended = true
	d.shut(t)
	d.closeCalls(t, true, len(t.calls))
	reason := finishReason(t.word)
	if t.word == "" && len(t.calls) > 0 {
		reason = llmv1.FinishReason_FINISH_REASON_TOOL_CALL
	}
	d.emit(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_Finish{Finish: &llmv1.StreamFinish{Reason: reason, RawReason: t.word, Choice: t.number}}})
}
