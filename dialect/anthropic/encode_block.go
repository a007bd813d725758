package anthropic

import (
	"slices"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// The beginnings of deltas, up to their text.
const (
	textHead      = `"text_delta","text":`
	thinkingHead  = `"thinking_delta","thinking":`
	signatureHead = `"signature_delta","signature":`
	inputHead     = `"input_json_delta","partial_json":`
)

// block is the content block that goes on in a canonical stream. The zero block is none.
type block struct {
	open bool
	// part is the place of its part, at its own number.
	part int32
	at   int
	// head begins the deltas of its text.
	head string
	// sealed is whether it ends with a signature, which is held back: clients take only one.
	sealed    bool
	signature string
	// arguments is set for calls: they are held back while they are no object, for clients refuse anything else.
	arguments bool
	freeForm  bool
	object    bool
	held      string
}

// begin opens a block. Blocks never stand side by side: the one before ends here.
func (e *Encoder) begin(dst []byte, p *llmv1.PartStart) ([]byte, error) {
	if p.GetChoice() != 0 {
		return dst, oneChoice()
	}
	dst = e.close(e.start(dst, nil))
	part := p.GetPart()
	if !shown(part) {
		e.hidden = append(e.hidden, p.GetIndex())
		return dst, nil
	}
	e.block = block{open: true, part: p.GetIndex(), at: e.blocks}
	e.blocks++
	return e.open(dst, part), nil
}

// open writes content_block_start with an empty block, and what the part begins with as deltas.
func (e *Encoder) open(dst []byte, part *llmv1.Part) []byte {
	b := &e.block
	switch kind := part.GetKind().(type) {
	case *llmv1.Part_Text:
		b.head = textHead
		dst = e.words(e.opening(dst, textOf("")), kind.Text.GetText())
		for _, c := range kind.Text.GetCitations() {
			dst = e.cite(dst, c)
		}
		return dst
	case *llmv1.Part_Refusal:
		b.head, e.end.refused = textHead, true
		return e.words(e.opening(dst, textOf("")), kind.Refusal.GetText())
	case *llmv1.Part_Reasoning:
		if kind.Reasoning.GetRedacted() != "" {
			return e.opening(dst, part)
		}
		b.head, b.sealed, b.signature = thinkingHead, true, kind.Reasoning.GetSignature()
		empty := &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{}}}
		return e.words(e.opening(dst, empty), kind.Reasoning.GetText())
	case *llmv1.Part_ToolCall:
		return e.call(dst, kind.ToolCall)
	}
	b.head = inputHead
	return e.opening(dst, part)
}

func (e *Encoder) opening(dst []byte, part *llmv1.Part) []byte {
	w := writer{Writer: &object.Writer{}, answer: true, partial: true}
	w.blockStart(int32(e.block.at), part)
	return sse.Append(dst, "content_block_start", w.Bytes())
}

// call opens a call: its input is empty at first, and so is the first piece of its arguments, as Anthropic sends them.
func (e *Encoder) call(dst []byte, call *llmv1.ToolCallPart) []byte {
	e.end.calls = true
	e.block.arguments, e.block.freeForm = true, call.GetFreeForm()
	empty := &llmv1.ToolCallPart{Id: call.GetId(), Name: call.GetName()}
	dst = e.opening(dst, &llmv1.Part{Kind: &llmv1.Part_ToolCall{ToolCall: empty}})
	dst = deltaFrame(dst, e.block.at, inputHead, "")
	return e.argue(dst, call.GetArguments())
}

// delta continues the open block.
func (e *Encoder) delta(dst []byte, d *llmv1.PartDelta) ([]byte, error) {
	b := &e.block
	switch {
	case d.GetChoice() != 0:
		return dst, oneChoice()
	case slices.Contains(e.hidden, d.GetIndex()) || silent(d):
		return dst, nil
	case !b.open || b.part != d.GetIndex():
		return dst, interleaved()
	}
	switch kind := d.GetDelta().(type) {
	case *llmv1.PartDelta_Text:
		dst = e.words(dst, kind.Text)
	case *llmv1.PartDelta_Arguments:
		dst = e.argue(dst, kind.Arguments)
	case *llmv1.PartDelta_Signature:
		b.signature = kind.Signature
	case *llmv1.PartDelta_Citation:
		dst = e.cite(dst, kind.Citation)
	}
	return dst, nil
}

// silent reports whether a delta appends nothing.
func silent(d *llmv1.PartDelta) bool {
	return d.GetText() == "" && d.GetArguments() == "" && d.GetSignature() == "" && d.GetCitation() == nil
}

func (e *Encoder) words(dst []byte, text string) []byte {
	if text == "" || e.block.head == "" || e.block.head == inputHead {
		return dst
	}
	return deltaFrame(dst, e.block.at, e.block.head, text)
}

// argue writes a piece of a call's arguments, once it is clear that they are an object.
func (e *Encoder) argue(dst []byte, piece string) []byte {
	b := &e.block
	switch {
	case piece == "" || !b.arguments && b.head != inputHead:
		return dst
	case !b.arguments || b.object:
		return deltaFrame(dst, b.at, inputHead, piece)
	}
	b.held += piece
	if first := strings.TrimLeft(b.held, space); b.freeForm || first == "" || first[0] != '{' {
		return dst
	}
	piece, b.held, b.object = b.held, "", true
	return deltaFrame(dst, b.at, inputHead, piece)
}

func (e *Encoder) cite(dst []byte, c *llmv1.Citation) []byte {
	if e.block.head != textHead || !sayableCitation(c) {
		return dst
	}
	w := writer{Writer: &object.Writer{}}
	w.delta(&llmv1.PartDelta{Index: int32(e.block.at), Delta: &llmv1.PartDelta_Citation{Citation: c}}, false)
	return sse.Append(dst, "content_block_delta", w.Bytes())
}

// stop closes the part's block, unless the next one has done so already.
func (e *Encoder) stop(dst []byte, p *llmv1.PartEnd) ([]byte, error) {
	switch {
	case p.GetChoice() != 0:
		return dst, oneChoice()
	case !e.block.open || e.block.part != p.GetIndex():
		return dst, nil
	}
	return e.close(dst), nil
}

// close ends the block that is open, with what was held back of it.
func (e *Encoder) close(dst []byte) []byte {
	b := e.block
	if !b.open {
		return dst
	}
	if b.sealed {
		if b.signature == "" {
			b.signature = dialect.Unsigned
		}
		dst = deltaFrame(dst, b.at, signatureHead, b.signature)
	}
	if strings.TrimLeft(b.held, space) != "" {
		dst = deltaFrame(dst, b.at, inputHead, string(inputOf(b.held)))
	}
	e.block = block{}
	w := writer{Writer: &object.Writer{}}
	w.blockStop(int32(b.at))
	return sse.Append(dst, "content_block_stop", w.Bytes())
}
