package anthropic

import (
	"cmp"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Tap reads a stream's frames on their way through. It belongs to one goroutine.
type Tap struct {
	reading dialect.Reading
	usage   usage
	ended   bool
	// twin knows the last delta, which the next one mostly looks like.
	twin rawjson.Twin
}

// NewTap returns a tap for the answer to a request with these facts.
func NewTap(dialect.Facts) *Tap { return &Tap{} }

// Reading returns what the frames so far told.
func (t *Tap) Reading() dialect.Reading {
	r := t.reading
	r.Usage = t.usage.billed()
	return r
}

// Read judges one frame. Every event has a name, which is its data's type; the SDKs drop an event without one, so a
// frame that lacks it, or names another, is damaged. An event that Headgate doesn't know may have no type.
func (t *Tap) Read(f sse.Frame) dialect.Verdict {
	switch {
	case t.ended:
		return dialect.Verdict{Action: dialect.Drop}
	case f.Comment:
		return dialect.Verdict{}
	}
	v := t.judge(f)
	t.ended = v.Action != dialect.Forward
	return v
}

func (t *Tap) judge(f sse.Frame) dialect.Verdict {
	if text, ok := t.twin.Match(f.Data); ok && len(text) > 0 && string(f.Event) == "content_block_delta" {
		t.reading.Said += int64(len(text) + len(`""`))
		return dialect.Verdict{Content: true}
	}
	e := event{name: f.Event}
	if err := t.readEvent(f.Data, &e); err != nil || !e.named() {
		return dialect.Verdict{Action: dialect.Malformed}
	}
	if e.alone() {
		t.twin.Learn(f.Data, e.text)
	}
	switch string(f.Event) {
	case "message_stop":
		return dialect.Verdict{Action: dialect.Terminal}
	case "error":
		return dialect.Verdict{Action: dialect.Failed}
	}
	return dialect.Verdict{Content: e.content}
}

// event is what one frame says, before it is judged.
type event struct {
	name, kind []byte
	typed      bool
	content    bool
	// text is the last string that a delta holds beside its type; said is what all of them show. more says that the event
	// tells something else, too.
	text []byte
	said int64
	more bool
}

// alone reports whether the event tells nothing but its text.
func (e *event) alone() bool {
	return !e.more && string(e.name) == "content_block_delta" && rawjson.Kind(e.text) == 's' && e.said == int64(len(e.text))
}

// named reports whether the frame's name fits its data.
func (e *event) named() bool {
	s := step{kind: e.kind, typed: e.typed}
	return s.named(e.name)
}

func (t *Tap) readEvent(data []byte, e *event) error {
	cur := rawjson.NewCursor(data, dialect.MaxAnswerDepth)
	if !cur.Object() {
		return cmp.Or(cur.End(), rawjson.ErrNotObject)
	}
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		switch string(name) {
		case "type":
			e.kind, e.typed = rawjson.Unquote(cur.Value())
		case "message":
			t.readMessage(&cur)
			e.more = true
		case "usage":
			t.usage.read(cur.Value())
			e.more = true
		case "content_block":
			e.content = startsContent(cur.Value()) || e.content
			e.more = true
		case "delta":
			said := t.readDelta(&cur, e)
			if e.said += said; said > 0 && string(e.name) == "content_block_delta" {
				t.reading.Said += said
				e.content = true
			}
		default:
			cur.Skip()
		}
	}
	return cur.End()
}

// startsContent: text and thinking blocks begin empty, mostly; every other kind shows something as soon as it begins.
func startsContent(block []byte) bool {
	switch kind, _ := rawjson.Unquote(rawjson.Get(block, "type")); string(kind) {
	case "text":
		return !rawjson.Empty(rawjson.Get(block, "text"))
	case "thinking":
		return !rawjson.Empty(rawjson.Get(block, "thinking"))
	}
	return true
}

// readMessage reads what a whole answer and a stream's first event have in common.
func (t *Tap) readMessage(cur *rawjson.Cursor) (kind []byte) {
	if !cur.Object() {
		return nil
	}
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		switch string(name) {
		case "type":
			kind, _ = rawjson.Unquote(cur.Value())
		case "id":
			setText(&t.reading.ID, cur.Value())
		case "model":
			setText(&t.reading.Model, cur.Value())
		case "usage":
			t.usage.read(cur.Value())
		case "stop_reason":
			t.stop(cur.Value())
		default:
			cur.Skip()
		}
	}
	return kind
}

// readDelta returns how many bytes of JSON a delta holds beside its type.
func (t *Tap) readDelta(cur *rawjson.Cursor, e *event) (said int64) {
	if !cur.Object() {
		return 0
	}
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		switch string(name) {
		case "type":
			cur.Skip()
		case "stop_reason":
			t.stop(cur.Value())
		default:
			if value := cur.Value(); !rawjson.Empty(value) {
				said += int64(len(value))
				e.text = value
			}
		}
	}
	return said
}

func (t *Tap) stop(value []byte) {
	if word, ok := rawjson.Unquote(value); ok {
		t.reading.RawFinish = string(word)
		t.reading.Finish = finishReason(t.reading.RawFinish)
	}
}

func setText(field *string, value []byte) {
	if text, ok := rawjson.Unquote(value); ok {
		*field = string(text)
	}
}

// ReadResponse reads a whole answer. The error, a *fault.Error, is PROVIDER_MALFORMED for what isn't a message.
func ReadResponse(body []byte) (dialect.Reading, error) {
	t := Tap{}
	cur := rawjson.NewCursor(body, dialect.MaxAnswerDepth)
	kind := t.readMessage(&cur)
	if err := cur.End(); err != nil || string(kind) != "message" {
		return dialect.Reading{}, malformed(err)
	}
	return t.Reading(), nil
}

func malformed(cause error) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED, "not a message").Because(cause)
}
