package anthropic

import (
	"bytes"
	"cmp"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// step is one event of a stream, read in one pass: the values are JSON text of the frame's data, nil where absent.
type step struct {
	kind                         []byte
	typed                        bool
	index, message, block, usage []byte
	deltaKind                    []byte
	text, thinking, signature    []byte
	partial, citation            []byte
	stopReason, stopSequence     []byte
}

func (s *step) read(data []byte) error {
	cur := rawjson.NewCursor(data, dialect.MaxAnswerDepth)
	if !cur.Object() {
		return cmp.Or(cur.End(), rawjson.ErrNotObject)
	}
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		switch string(name) {
		case "type":
			s.kind, s.typed = rawjson.Unquote(cur.Value())
		case "index":
			s.index = cur.Value()
		case "message":
			s.message = cur.Value()
		case "content_block":
			s.block = cur.Value()
		case "usage":
			s.usage = cur.Value()
		case "delta":
			s.readDelta(&cur)
		default:
			cur.Skip()
		}
	}
	return cur.End()
}

func (s *step) readDelta(cur *rawjson.Cursor) {
	if !cur.Object() {
		return
	}
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		value := cur.Value()
		switch string(name) {
		case "type":
			s.deltaKind, _ = rawjson.Unquote(value)
		case "text":
			s.text = value
		case "thinking":
			s.thinking = value
		case "signature":
			s.signature = value
		case "partial_json":
			s.partial = value
		case "citation":
			s.citation = value
		case "stop_reason":
			s.stopReason = value
		case "stop_sequence":
			s.stopSequence = value
		}
	}
}

// named reports whether a frame's name is its data's type, as it always is; an event that Headgate doesn't know may have
// no type. Clients drop a frame without a name.
func (s *step) named(name []byte) bool {
	if s.typed {
		return len(name) > 0 && bytes.Equal(s.kind, name)
	}
	return len(name) > 0 && !known(name)
}

// known reports whether an event's name is one that Headgate acts on.
func known(name []byte) bool {
	switch string(name) {
	case "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "error":
		return true
	}
	return false
}
