package openai

import (
	"bytes"
	"slices"

	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// format writes the form of the answer.
func (e *requestEncoder) format(f *llmv1.ResponseFormat) {
	switch {
	case f.GetKind() == llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_UNSPECIFIED && len(f.GetExtensions()) == 0:
	case f.GetKind() == llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_REGEX && len(f.GetExtensions()) == 0:
		if !e.flavour.StructuredOutputs {
			e.refuse("prompt.response_format.pattern", "OpenAI takes no regular expression; send a JSON Schema")
			return
		}
		e.Sub("structured_outputs", func() { e.Always("regex", f.GetPattern()) })
	default:
		e.Name("response_format")
		writeFormat(&e.Writer, f)
	}
}

func writeFormat(w *object.Writer, f *llmv1.ResponseFormat) {
	w.Patched(f.GetExtensions(), func() {
		switch f.GetKind() {
		case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_TEXT:
			w.Always("type", "text")
		case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_OBJECT:
			w.Always("type", "json_object")
		case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA:
			w.Always("type", "json_schema")
			w.Sub("json_schema", func() { writeSchema(w, f) })
		case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_REGEX: // TGI's form
			w.Always("type", "regex")
			w.Always("value", f.GetPattern())
		}
	})
}

// writeSchema writes a schema, which OpenAI wants named. It is strict where that was asked for, or where the schema says
// all that OpenAI demands of strict ones: otherwise the answer might not satisfy it.
func writeSchema(w *object.Writer, f *llmv1.ResponseFormat) {
	name := f.GetName()
	if name == "" {
		name = "answer"
	}
	w.Always("name", name)
	w.Text("description", f.GetDescription())
	w.JSON("schema", f.GetSchema())
	strict := f.Strict
	if strict == nil && rawjson.Kind([]byte(f.GetSchema())) == 'o' && closed([]byte(f.GetSchema()), true) {
		yes := true
		strict = &yes
	}
	w.Bool("strict", strict)
}

// closed reports whether a schema is one that OpenAI takes as strict: all its objects name all their properties, require
// them, and allow no others; and it has no word that strict schemas may not have
// (platform.openai.com/docs/guides/structured-outputs, "Supported schemas").
func closed(schema []byte, root bool) bool {
	r, ok := object.Read(schema)
	if !ok {
		return false
	}
	isObject := r.Has("properties") || bytes.Contains(r.Peek("type"), []byte(`"object"`))
	if root && !isObject || isObject && !full(r) {
		return false
	}
	ok = true
	_ = rawjson.Object(schema, maxNesting, func(m rawjson.Member) bool {
		ok = closedWord(string(m.Name), m.Value)
		return ok
	})
	return ok
}

// full reports whether an object's schema requires all of its properties and no others.
func full(r *object.Reader) bool {
	if rawjson.Kind(r.Peek("properties")) != 'o' || string(r.Peek("additionalProperties")) != "false" {
		return false
	}
	required := make(map[string]bool)
	for _, element := range object.Elements(r.Peek("required")) {
		required[word(element)] = true
	}
	all := true
	_ = rawjson.Object(r.Peek("properties"), maxNesting, func(m rawjson.Member) bool {
		all = required[string(m.Name)]
		return all
	})
	return all
}

func closedWord(name string, value []byte) bool {
	switch name {
	case "properties", "$defs", "definitions":
		ok := rawjson.Kind(value) == 'o'
		_ = rawjson.Object(value, maxNesting, func(m rawjson.Member) bool {
			ok = closed(m.Value, false)
			return ok
		})
		return ok
	case "items":
		return closed(value, false)
	case "anyOf":
		return !slices.ContainsFunc(object.Elements(value), func(s []byte) bool { return !closed(s, false) })
	case "type", "required", "additionalProperties", "enum", "const", "description", "title", "$ref", "pattern", "format",
		"multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "minItems", "maxItems":
		return true
	}
	return false
}
