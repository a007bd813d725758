package openai

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
)

// MendingTap is a Tap for servers other than OpenAI's whose frames break OpenAI's SDKs. It belongs to one goroutine.
type MendingTap struct {
	*Tap

	// bare are the calls that began and got no arguments yet, by choice and index.
	bare map[callAt]bool
}

// callAt is where a call stands in an answer.
type callAt struct{ choice, index int64 }

// NewMendingTap returns a tap for the answer to a request with these facts.
func NewMendingTap(f dialect.Facts) *MendingTap {
	return &MendingTap{Tap: NewTap(f), bare: make(map[callAt]bool)}
}

// Mend returns a frame as OpenAI would have written it: mostly the frame itself. What is put right:
//   - an error whose code is a number, that has no type, or that is just a string: typed clients can't read it;
//   - the first delta of a tool call without arguments (vLLM, when a call takes none): the SDK for TypeScript would hand
//     out a call whose arguments are undefined. The chunk with the finish_reason then brings the arguments {}.
func (m *MendingTap) Mend(f sse.Frame) sse.Frame {
	if f.Comment || len(m.bare) == 0 && !bytes.Contains(f.Data, []byte(`"tool_calls"`)) && !bytes.Contains(f.Data, []byte(`"error"`)) {
		return f
	}
	if rawjson.Check(f.Data, dialect.MaxAnswerDepth) != nil {
		return f
	}
	edits := m.mendCalls(f.Data)
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

// mendCalls returns the edits that give every tool call its arguments: none so far where it begins, none at all where the
// choice ends.
func (m *MendingTap) mendCalls(data []byte) map[string]string {
	var edits map[string]string
	for i, choice := range object.Elements(rawjson.Get(data, "choices")) {
		number, _ := rawjson.Int(rawjson.Get(choice, "index"))
		at := "choices." + strconv.Itoa(i) + ".delta.tool_calls"
		calls := object.Elements(rawjson.Get(rawjson.Get(choice, "delta"), "tool_calls"))
		for j, call := range calls {
			m.mendCall(&edits, at+"."+strconv.Itoa(j)+".function.arguments", number, call)
		}
		if rawjson.Kind(rawjson.Get(choice, "finish_reason")) == 's' && len(calls) == 0 {
			m.argue(&edits, at, number)
		}
	}
	return edits
}

// mendCall notes whether a call has arguments yet, and adds the empty ones where it begins.
func (m *MendingTap) mendCall(edits *map[string]string, path string, choice int64, call []byte) {
	function := rawjson.Get(call, "function")
	arguments := rawjson.Get(function, "arguments")
	index, _ := rawjson.Int(rawjson.Get(call, "index"))
	at := callAt{choice, index}
	switch named := rawjson.Kind(rawjson.Get(function, "name")) == 's'; {
	case rawjson.Kind(arguments) == 's' && string(arguments) != `""`:
		delete(m.bare, at)
	case named && (arguments == nil || rawjson.Kind(arguments) == 'n'):
		set(edits, path, `""`)
		m.bare[at] = true
	case named:
		m.bare[at] = true
	}
}

// argue gives the calls of a choice that ends without arguments the empty object.
func (m *MendingTap) argue(edits *map[string]string, path string, choice int64) {
	var list []string
	for at := range m.bare {
		if at.choice == choice {
			list = append(list, `{"index":`+strconv.FormatInt(at.index, 10)+`,"function":{"arguments":"{}"}}`)
			delete(m.bare, at)
		}
	}
	if len(list) > 0 {
		slices.Sort(list)
		set(edits, path, "["+strings.Join(list, ",")+"]")
	}
}
