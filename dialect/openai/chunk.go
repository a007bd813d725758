package openai

import (
	"cmp"
	"errors"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// maxChoices bounds the numbers of choices: OpenAI gives at most 128.
const maxChoices = 128

var errChoices = errors.New("openai: choices aren't a list of choices")

// piece is one chunk of a stream, taken apart but not understood: its fields are JSON text of the frame.
type piece struct {
	id, model, created, usage, groq []byte
	failed, object, kind            []byte
	choices                         []pieceOf
	anyChoice                       bool
}

// pieceOf is what a chunk says for one choice.
type pieceOf struct {
	number                                int32
	content, refusal                      []byte
	reasoning, reasoningContent, details  []byte
	calls, functionCall, audio, images    []byte
	annotations, logProbs, finish, failed []byte
}

// read takes a chunk apart in one pass, into the memory of the last one.
func (p *piece) read(data []byte) error {
	*p = piece{choices: p.choices[:0]}
	cur := rawjson.NewCursor(data, dialect.MaxAnswerDepth)
	if !cur.Object() {
		return cmp.Or(cur.End(), rawjson.ErrNotObject)
	}
	var refused error
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		switch string(name) {
		case "id":
			p.id = cur.Value()
		case "object":
			p.object = cur.Value()
		case "type":
			p.kind = cur.Value()
		case "created":
			p.created = cur.Value()
		case "model":
			p.model = cur.Value()
		case "usage":
			p.usage = cur.Value()
		case "x_groq":
			p.groq = cur.Value()
		case "error":
			p.failed = cur.Value()
		case "choices":
			refused = cmp.Or(refused, p.readChoices(&cur))
		default:
			cur.Skip()
		}
	}
	if refused != nil && rawjson.Kind(rawjson.Get(data, "choices")) == 'n' {
		refused = nil
	}
	return cmp.Or(cur.End(), refused)
}

func (p *piece) readChoices(cur *rawjson.Cursor) error {
	if !cur.Array() {
		return errChoices
	}
	var refused error
	for cur.Element() {
		p.anyChoice = true
		if !cur.Object() {
			continue
		}
		p.choices = append(p.choices, pieceOf{})
		refused = cmp.Or(refused, p.choices[len(p.choices)-1].read(cur))
	}
	return refused
}

func (c *pieceOf) read(cur *rawjson.Cursor) error {
	var refused error
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		switch string(name) {
		case "index":
			n, whole := rawjson.Int(cur.Value())
			if whole && (n < 0 || n >= maxChoices) {
				refused = errChoices
			}
			c.number = int32(n)
		case "delta":
			c.readDelta(cur)
		case "finish_reason":
			c.finish = cur.Value()
		case "logprobs":
			c.logProbs = cur.Value()
		case "error":
			c.failed = cur.Value()
		default:
			cur.Skip()
		}
	}
	return refused
}

func (c *pieceOf) readDelta(cur *rawjson.Cursor) {
	if !cur.Object() {
		return
	}
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		switch string(name) {
		case "content":
			c.content = cur.Value()
		case "refusal":
			c.refusal = cur.Value()
		case "reasoning":
			c.reasoning = cur.Value()
		case "reasoning_content":
			c.reasoningContent = cur.Value()
		case "reasoning_details":
			c.details = cur.Value()
		case "tool_calls":
			c.calls = cur.Value()
		case "function_call":
			c.functionCall = cur.Value()
		case "audio":
			c.audio = cur.Value()
		case "images":
			c.images = cur.Value()
		case "annotations":
			c.annotations = cur.Value()
		default:
			cur.Skip()
		}
	}
}
