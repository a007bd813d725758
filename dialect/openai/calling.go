package openai

import (
	"crypto/rand"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// calling is a tool call of a stream. Its part begins with the first delta that names the tool: until then what comes is
// held.
type calling struct {
	id, name string
	// key is the provider's index; numbered says that it gave one.
	key      int64
	numbered bool
	freeForm bool
	// index is the part's; begun and closed say how far it is.
	index         int32
	begun, closed bool
	held          string
	json          progress
}

// callPiece is what one delta says of a call.
type callPiece struct {
	id, name, arguments string
	key                 int64
	numbered, freeForm  bool
}

// call tells the tool calls of a chunk.
func (d *Decoder) call(t *telling, value []byte) error {
	if rawjson.Kind(value) != 'a' {
		return nil
	}
	known := len(t.calls)
	var refused error
	rawjson.Array(value, func(element []byte) bool {
		if rawjson.Kind(element) == 'o' {
			refused = d.callDelta(t, readCall(element), known)
		}
		return refused == nil
	})
	return refused
}

func readCall(element []byte) (p callPiece) {
	_ = rawjson.Object(element, maxNesting, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "index":
			p.key, p.numbered = rawjson.Int(m.Value)
		case "id":
			p.id = word(m.Value)
		case "function":
			p.body(m.Value, "arguments")
		case "custom":
			p.freeForm = rawjson.Kind(m.Value) == 'o'
			p.body(m.Value, "input")
		}
		return true
	})
	return p
}

// body reads a function's name and arguments; TGI had builds that wrote the arguments as an object.
func (p *callPiece) body(value []byte, arguments string) {
	_ = rawjson.Object(value, maxNesting, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "name":
			p.name = word(m.Value)
		case arguments:
			p.arguments = argumentsOf(m.Value)
		}
		return true
	})
}

// argumentsOf is the text of a string, or JSON text as it is.
func argumentsOf(value []byte) string {
	switch rawjson.Kind(value) {
	case 's':
		return word(value)
	case 'o', 'a':
		return string(value)
	}
	return ""
}

// callDelta tells one delta of a call; known is how many calls there were before the chunk.
func (d *Decoder) callDelta(t *telling, p callPiece, known int) error {
	c := t.find(p)
	if c == nil {
		d.shut(t)
		d.closeCalls(t, false, known)
		c = &calling{key: p.key, numbered: p.numbered, id: p.id}
		t.calls = append(t.calls, c)
	}
	if c.closed {
		if p.arguments == "" || t.word != "" {
			return nil
		}
		return malformed(nil)
	}
	if !c.begun {
		d.beginCall(t, c, p)
	}
	d.argue(t, c, p.arguments)
	return nil
}

// find returns the call that a delta goes on with; nil where it begins another. Servers leave out the index, or give
// every call the same one: then a new id, or a name after arguments without ids, tells them apart.
func (t *telling) find(p callPiece) *calling {
	for i := len(t.calls) - 1; i >= 0; i-- {
		c := t.calls[i]
		switch {
		case p.numbered && c.numbered && c.key != p.key:
		case p.numbered && c.numbered:
			if c.replacedBy(p) {
				return nil
			}
			return c
		case p.id != "" && p.id == c.id, p.id == "" && p.name == "":
			return c
		}
	}
	return nil
}

// replacedBy reports whether a delta of the same index is another call's.
func (c *calling) replacedBy(p callPiece) bool {
	if p.name == "" || !c.begun {
		return false
	}
	if p.id == "" {
		return c.json.complete() && p.name != "" && c.json.any
	}
	return p.id != c.id && c.id != ""
}

// beginCall opens the call's part as soon as the tool is named.
func (d *Decoder) beginCall(t *telling, c *calling, p callPiece) {
	c.freeForm = c.freeForm || p.freeForm
	if c.id == "" {
		c.id = p.id
	}
	if c.name = p.name; c.name == "" {
		return
	}
	id := c.id
	if id == "" { // the answer to the call has to refer to something
		id = mintCall()
	}
	c.begun, c.index = true, t.parts
	d.begin(t, &llmv1.Part{Kind: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCallPart{Id: id, Name: c.name, FreeForm: c.freeForm}}})
	d.argue(t, c, c.held)
	c.held = ""
}

func mintCall() string { return "call_" + rand.Text()[:24] }

// argue appends to the call's arguments.
func (d *Decoder) argue(t *telling, c *calling, arguments string) {
	if arguments == "" {
		return
	}
	if !c.begun {
		c.held += arguments
		return
	}
	c.json.read(arguments)
	b := &argumentsDelta{}
	b.text.Arguments = arguments
	b.delta.Index, b.delta.Choice, b.delta.Delta = c.index, t.number, &b.text
	b.oneof.PartDelta = &b.delta
	b.event.Event = &b.oneof
	d.push(&b.event, &b.list)
}

// argumentsDelta is an event with all that belongs to it, in one allocation.
type argumentsDelta struct {
	event llmv1.StreamEvent
	oneof llmv1.StreamEvent_PartDelta
	delta llmv1.PartDelta
	text  llmv1.PartDelta_Arguments
	list  [1]*llmv1.StreamEvent
}

// closeCalls closes the calls that are complete, or all. One whose arguments aren't complete JSON yet may go on after
// another has begun, as may one that began, still empty, in the same chunk: known is how many there were before it.
func (d *Decoder) closeCalls(t *telling, all bool, known int) {
	for i, c := range t.calls {
		if c.begun && !c.closed && (all || c.freeForm || c.json.complete() && (c.json.any || i < known)) {
			c.closed = true
			d.over(t, c.index)
		}
	}
}

// maxNesting bounds what was checked when the chunk was read.
const maxNesting = 1000

// progress follows JSON text that comes in pieces: whether all that was opened is closed.
type progress struct {
	depth           int
	any             bool
	quoted, escaped bool
}

func (p *progress) complete() bool { return p.depth == 0 && !p.quoted }

func (p *progress) read(text string) {
	p.any = p.any || text != ""
	for i := range len(text) {
		switch c := text[i]; {
		case p.escaped:
			p.escaped = false
		case p.quoted:
			p.escaped, p.quoted = c == '\\', c != '"'
		case c == '"':
			p.quoted = true
		case c == '{' || c == '[':
			p.depth++
		case c == '}' || c == ']':
			p.depth--
		}
	}
}
