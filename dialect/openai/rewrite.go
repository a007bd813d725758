package openai

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// Rewrite returns the body with another model's name, for a stream with usage asked for (without it OpenAI doesn't say
// what a stream consumed), and with what the server would refuse in messages put right: thoughts that it doesn't take back
// are left out, ids of tool calls become ones that it accepts. Every other byte stays; body itself is returned where nothing
// changes.
func (f Flavour) Rewrite(body []byte, facts dialect.Facts, model string) []byte {
	var edits []rawjson.Edit
	if model != facts.Model {
		edits = append(edits, facts.WithModel(model))
	}
	if facts.Stream && !facts.IncludeUsage {
		edits = append(edits, askUsage(body, facts))
	}
	if f.mayRefuse(body) {
		edits = f.mendMessages(body, edits)
	}
	if len(edits) == 0 {
		return body
	}
	slices.SortFunc(edits, func(a, b rawjson.Edit) int { return cmp.Compare(a.At, b.At) })
	return rawjson.Splice(body, edits...)
}

func askUsage(body []byte, f dialect.Facts) rawjson.Edit {
	const member = `"include_usage":true`
	switch {
	case f.UsageAt.Set():
		return rawjson.Edit{At: f.UsageAt.At, End: f.UsageAt.End, With: []byte("true")}
	case !f.OptionsAt.Set():
		return rawjson.Edit{At: f.ModelAt.End, End: f.ModelAt.End, With: []byte(`,"stream_options":{` + member + `}`)}
	case body[f.OptionsAt.At] != '{':
		return rawjson.Edit{At: f.OptionsAt.At, End: f.OptionsAt.End, With: []byte("{" + member + "}")}
	case f.OptionsEmpty:
		return rawjson.Edit{At: f.OptionsAt.At + 1, End: f.OptionsAt.At + 1, With: []byte(member)}
	}
	return rawjson.Edit{At: f.OptionsAt.At + 1, End: f.OptionsAt.At + 1, With: []byte(member + ",")}
}

var (
	reasoningNames = [][]byte{[]byte(`"reasoning"`), []byte(`"reasoning_content"`), []byte(`"reasoning_details"`)}
	callNames      = []byte(`"tool_call`)
)

// mayRefuse reports whether there may be something in the messages that the server refuses: most bodies are done with this
// look.
func (f Flavour) mayRefuse(body []byte) bool {
	if bytes.Contains(body, callNames) {
		return true
	}
	return f.Reasoning == "" && slices.ContainsFunc(reasoningNames, func(name []byte) bool { return bytes.Contains(body, name) })
}

// mendMessages adds the edits that the messages need.
func (f Flavour) mendMessages(body []byte, edits []rawjson.Edit) []rawjson.Edit {
	cur := rawjson.NewCursor(body, dialect.MaxDepth)
	if !cur.Object() {
		return edits
	}
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		if string(name) != "messages" || !cur.Array() {
			if string(name) != "messages" {
				cur.Skip()
			}
			continue
		}
		for cur.Element() {
			edits = f.mendMessage(body, cur.Value(), edits)
		}
	}
	return edits
}

func (f Flavour) mendMessage(body, message []byte, edits []rawjson.Edit) []rawjson.Edit {
	cur := rawjson.NewCursor(message, dialect.MaxDepth)
	if !cur.Object() {
		return edits
	}
	strip := false
	for name, ok := cur.Member(); ok; name, ok = cur.Member() {
		switch string(name) {
		case "reasoning", "reasoning_content", "reasoning_details":
			strip = strip || f.Reasoning == ""
			cur.Skip()
		case "tool_call_id":
			edits = f.mendID(body, cur.Value(), edits)
		case "tool_calls":
			edits = f.mendCalls(body, &cur, edits)
		default:
			cur.Skip()
		}
	}
	if strip {
		edits = append(edits, stripThoughts(message, offset(body, message))...)
	}
	return edits
}

func (f Flavour) mendCalls(body []byte, cur *rawjson.Cursor, edits []rawjson.Edit) []rawjson.Edit {
	if !cur.Array() {
		return edits
	}
	for cur.Element() {
		if !cur.Object() {
			continue
		}
		for name, ok := cur.Member(); ok; name, ok = cur.Member() {
			if value := cur.Value(); string(name) == "id" {
				edits = f.mendID(body, value, edits)
			}
		}
	}
	return edits
}

// mendID replaces an id that the server refuses.
func (f Flavour) mendID(body, value []byte, edits []rawjson.Edit) []rawjson.Edit {
	text, ok := rawjson.Unquote(value)
	rule := f.idRule()
	if !ok || len(text) == 0 || len(text) <= rule.Max && !rule.Plain && !rule.Alnum && !rule.Exact {
		return edits
	}
	id := string(text)
	again := dialect.ToolID(id, rule)
	if again == id {
		return edits
	}
	at := offset(body, value)
	return append(edits, rawjson.Edit{At: at, End: at + len(value), With: rawjson.Quote(nil, []byte(again))})
}

// stripThoughts returns the edits that take the thoughts out of a message, which begins at a place of the body.
func stripThoughts(message []byte, at int) []rawjson.Edit {
	var edits []rawjson.Edit
	kept, run := -1, -1 // where the last kept member ends, where the run of those to go begins
	end := 0
	_ = rawjson.Object(message, dialect.MaxDepth, func(m rawjson.Member) bool {
		gone := slices.Contains(reasoningMembers, string(m.Name))
		switch {
		case gone && run < 0:
			run = m.KeyAt
		case !gone && run >= 0: // the comma before this one goes too
			edits = append(edits, rawjson.Edit{At: at + run, End: at + m.KeyAt})
			run = -1
		}
		if end = m.ValueEnd; !gone {
			kept = m.ValueEnd
		}
		return true
	})
	switch {
	case run >= 0 && kept >= 0: // the last ones: the comma after the one kept goes too
		edits = append(edits, rawjson.Edit{At: at + kept, End: at + end})
	case run >= 0:
		edits = append(edits, rawjson.Edit{At: at + run, End: at + end})
	}
	return edits
}
