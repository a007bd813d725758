package openai

import (
	"bytes"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
)

// MendingTap is a Tap for servers other than OpenAI's whose frames break OpenAI's SDKs. It belongs to one goroutine.
type MendingTap struct{ *Tap }

// NewMendingTap returns a tap for the answer to a request with these facts.
func NewMendingTap(f dialect.Facts) *MendingTap { return &MendingTap{Tap: NewTap(f)} }

// Mend returns a frame as OpenAI would have written it: mostly the frame itself. What is put right:
//   - an error whose code is a number, that has no type, or that is just a string: typed clients can't read it;
//   - the first delta of a tool call without arguments (vLLM, when a call takes none): the SDK for TypeScript would hand
//     out a call whose arguments are undefined.
func (m *MendingTap) Mend(f sse.Frame) sse.Frame {
	if f.Comment || !bytes.Contains(f.Data, []byte(`"tool_calls"`)) && !bytes.Contains(f.Data, []byte(`"error"`)) {
		return f
	}
	if rawjson.Check(f.Data, dialect.MaxAnswerDepth) != nil {
		return f
	}
	edits := mendCalls(f.Data)
	mendError(f.Data, &edits)
	if len(edits) == 0 {
		return f
	}
	f.Data = object.Patch(f.Data, edits)
	f.Raw = sse.Append(nil, string(f.Event), f.Data)
	return f
}

// mendError gives an error OpenAI's shape.
func mendError(data []byte, edits *map[string]string) {
	value := rawjson.Get(data, "error")
	switch rawjson.Kind(value) {
	case 's':
		set(edits, "error", `{"message":`+string(value)+`,"type":"server_error","param":null,"code":null}`)
	case 'o':
		if code := rawjson.Get(value, "code"); rawjson.Kind(code) == '0' {
			set(edits, "error.code", `"`+string(code)+`"`)
		}
		if rawjson.Kind(rawjson.Get(value, "type")) != 's' {
			set(edits, "error.type", `"server_error"`)
		}
	}
}

func set(edits *map[string]string, path, value string) {
	if *edits == nil {
		*edits = make(map[string]string)
	}
	(*edits)[path] = value
}

// mendCalls returns the edits that give every tool call which begins in a chunk its arguments.
func mendCalls(data []byte) map[string]string {
	var edits map[string]string
	for i, choice := range object.Elements(rawjson.Get(data, "choices")) {
		for j, call := range object.Elements(rawjson.Get(rawjson.Get(choice, "delta"), "tool_calls")) {
			function := rawjson.Get(call, "function")
			if rawjson.Get(function, "name") == nil || rawjson.Kind(rawjson.Get(function, "arguments")) == 's' {
				continue
			}
			if value := rawjson.Get(function, "arguments"); value == nil || rawjson.Kind(value) == 'n' {
				set(&edits, "choices."+strconv.Itoa(i)+".delta.tool_calls."+strconv.Itoa(j)+".function.arguments", `""`)
			}
		}
	}
	return edits
}
