package anthropic

import (
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// rawArguments is the member under which a call's arguments travel that are no JSON object: Anthropic takes nothing else.
const rawArguments = "_raw_arguments"

func (b blocks) toolUse(r *object.Reader) (*llmv1.Part, *flaw) {
	id, f := needString(r, "id")
	name, g := needString(r, "name")
	call := &llmv1.ToolCallPart{Id: id, Name: name}
	part := &llmv1.Part{Kind: &llmv1.Part_ToolCall{ToolCall: call}}
	if dialect.ToolID(id, dialect.AnthropicToolID) != id {
		b.spell(part, "tool_use")
	}
	object := r.Take("input", func(value []byte) bool {
		call.Arguments = argumentsOf(value)
		return rawjson.Kind(value) == 'o'
	})
	switch {
	case f != nil:
		return part, f
	case g != nil:
		return part, g
	case !r.Has("input"):
		return part, lacking("input")
	case !object && b.asked:
		return part, wrong("input", "must be an object")
	}
	return part, nil
}

// argumentsOf is an input as the model wrote its arguments: what inputOf made of arguments that were no object is undone.
// An input that is no object, which odd servers send, is none, or the text it is.
func argumentsOf(input []byte) string {
	switch rawjson.Kind(input) {
	case 'n':
		return ""
	case 's':
		text, _ := rawjson.Unquote(input)
		return string(text)
	}
	r, ok := object.Read(input)
	if !ok || !r.Has(rawArguments) {
		return string(input)
	}
	text, ok := takeString(r, rawArguments)
	if !ok || r.Left() != nil || strings.TrimLeft(text, space) == "" || isObject(text) {
		return string(input)
	}
	return text
}

// space is what JSON takes for white space.
const space = " \t\r\n"

// inputOf is a call's arguments as the object that Anthropic demands.
func inputOf(arguments string) []byte {
	switch {
	case strings.TrimLeft(arguments, space) == "":
		return []byte("{}")
	case isObject(arguments):
		return []byte(arguments)
	}
	var w object.Writer
	w.Object(func() { w.Always(rawArguments, arguments) })
	return w.Bytes()
}

func isObject(text string) bool {
	return rawjson.Object([]byte(text), dialect.MaxAnswerDepth, func(rawjson.Member) bool { return true }) == nil && rawjson.CheckUTF8([]byte(text)) == nil
}

func (b blocks) toolResult(r *object.Reader) (*llmv1.Part, *flaw) {
	id, f := needString(r, "tool_use_id")
	if f == nil && id == "" {
		f = lacking("tool_use_id")
	}
	response := &llmv1.ToolCallResponsePart{Id: id, IsError: r.True("is_error")}
	part := &llmv1.Part{Kind: &llmv1.Part_ToolCallResponse{ToolCallResponse: response}}
	if dialect.ToolID(id, dialect.AnthropicToolID) != id {
		b.spell(part, "tool_result")
	}
	if f == nil {
		response.Parts, f = b.content(r)
	}
	return part, f
}
