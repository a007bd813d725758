package openai

import (
	"bytes"
	"cmp"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
)

// Tap reads a stream's frames on their way through. It belongs to one goroutine.
type Tap struct {
	showUsage bool
	reading   dialect.Reading
	// tier is the JSON of a service tier that isn't the default one.
	tier  string
	ended bool
	// twin knows the last chunk of content, which the next one mostly looks like.
	twin rawjson.Twin
}

// NewTap returns a tap for the answer to a request with these facts.
func NewTap(f dialect.Facts) *Tap { return &Tap{showUsage: f.IncludeUsage} }

// Reading returns what the frames so far told.
func (t *Tap) Reading() dialect.Reading {
	if t.tier != "" && t.reading.Usage != nil { // the price depends on it
		t.reading.Usage.Extensions = map[string]string{"service_tier": t.tier}
	}
	return t.reading
}

// chunk is what one event says, before it is judged.
type chunk struct {
	// failed: there is an error in it. choices: there is a list of choices. anyChoice: the list isn't empty.
	failed, usage, choices, anyChoice, content bool
	// text is the string that a delta's content is; said is what all deltas show.
	text []byte
	said int64
}

// alone reports whether the chunk tells nothing but its text.
func (c *chunk) alone() bool {
	return !c.failed && !c.usage && rawjson.Kind(c.text) == 's' && c.said == int64(len(c.text))
}

// Read judges one frame. A chunk that only holds usage is dropped where the client didn't ask for it: its SDK may choke
// on a chunk without choices.
func (t *Tap) Read(f sse.Frame) dialect.Verdict {
	switch {
	case t.ended:
		return dialect.Verdict{Action: dialect.Drop}
	case f.Comment:
		return dialect.Verdict{}
	}
	v := t.judge(f)
	t.ended = v.Action == dialect.Terminal || v.Action == dialect.Failed || v.Action == dialect.Malformed
	return v
}

func (t *Tap) judge(f sse.Frame) dialect.Verdict {
	if isDone(f.Data) {
		return dialect.Verdict{Action: dialect.Terminal}
	}
	if text, ok := t.twin.Match(f.Data); ok && len(text) > 0 && len(f.Event) == 0 {
		t.reading.Said += int64(len(text) + len(`""`))
		return dialect.Verdict{Content: true}
	}
	var c chunk
	if err := t.readChunk(f.Data, &c); err != nil {
		return dialect.Verdict{Action: dialect.Malformed}
	}
	if c.alone() {
		t.twin.Learn(f.Data, c.text)
	}
	switch {
	case c.failed:
		return dialect.Verdict{Action: dialect.Failed}
	case string(f.Event) == "error":
		// The SDK for Python raises on the member only: without it the end that follows would look like success.
		return dialect.Verdict{Action: dialect.Malformed}
	case c.usage && !c.anyChoice && !t.showUsage:
		return dialect.Verdict{Action: dialect.Drop}
	}
	return dialect.Verdict{Content: c.content}
}

func isDone(data []byte) bool { return string(bytes.TrimSpace(data)) == "[DONE]" }

func (t *Tap) readChunk(data []byte, c *chunk) error {
	cur := rawjson.NewCursor(data, dialect.MaxAnswerDepth)
	if !cur.Object() {
		return cmp.Or(cur.End(), rawjson.ErrNotObject)
	}
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		switch string(name) {
		case "error":
			c.failed = raises(cur.Value())
		case "usage":
			t.readUsage(cur.Value(), c)
		case "choices":
			t.readChoices(&cur, c)
		case "service_tier":
			t.readTier(cur.Value())
		case "id":
			setOnce(&t.reading.ID, cur.Value())
		case "model":
			setOnce(&t.reading.Model, cur.Value())
		default:
			cur.Skip()
		}
	}
	return cur.End()
}

// raises reports whether the SDKs raise on this value of a chunk's error: those for Python and TypeScript do on what
// their languages count as true. The one for Go raises on any, null included; that is between it and the provider.
func raises(value []byte) bool {
	switch string(value) {
	case "null", "false", `""`, "0":
		return false
	}
	return len(value) > 0
}

func (t *Tap) readTier(value []byte) {
	if rawjson.Kind(value) != 's' || t.tier != "" {
		return
	}
	switch string(value) {
	case `"default"`, `"auto"`, `"standard"`, `""`:
	default:
		t.tier = string(value)
	}
}

func (t *Tap) readUsage(value []byte, c *chunk) {
	if rawjson.Kind(value) == 'o' {
		c.usage = true
		t.reading.Usage = readUsage(value)
	}
}

func (t *Tap) readChoices(cur *rawjson.Cursor, c *chunk) {
	if !cur.Array() {
		return
	}
	c.choices = true
	for cur.Element() {
		c.anyChoice = true
		if !cur.Object() {
			continue
		}
		for name, ok := cur.Member(); ok; name, ok = cur.Member() {
			switch string(name) {
			case "delta":
				said := c.shows(cur)
				t.reading.Said += said
				c.said += said
				c.content = said > 0 || c.content
			case "finish_reason":
				t.finish(cur.Value())
			default:
				cur.Skip()
			}
		}
	}
}

func (t *Tap) finish(value []byte) {
	if word, ok := rawjson.Unquote(value); ok {
		t.reading.RawFinish = string(word)
		t.reading.Finish = finishReason(t.reading.RawFinish)
	}
}

// shows returns how many bytes of JSON a delta shows the client: everything but the role and empty values counts.
func (c *chunk) shows(cur *rawjson.Cursor) (said int64) {
	if !cur.Object() {
		return 0
	}
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		role, content := string(name) == "role", string(name) == "content"
		value := cur.Value()
		if !role && !rawjson.Empty(value) {
			said += int64(len(value))
		}
		if content {
			c.text = value
		}
	}
	return said
}

func setOnce(field *string, value []byte) {
	if *field != "" {
		return
	}
	if text, ok := rawjson.Unquote(value); ok {
		*field = string(text)
	}
}

// ReadResponse reads a whole answer. The error, a *fault.Error, is PROVIDER_MALFORMED for what isn't a chat completion.
func ReadResponse(body []byte) (dialect.Reading, error) {
	t := Tap{}
	var c chunk
	if err := t.readChunk(body, &c); err != nil || !c.choices || c.failed {
		return dialect.Reading{}, malformed(err)
	}
	return t.Reading(), nil
}
