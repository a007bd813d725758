package openai

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// format reads response_format: OpenAI's forms, and TGI's, whose schema or expression is its value.
func (d *requestDecoder) format() *llmv1.ResponseFormat {
	const name = "response_format"
	if !d.kind(name, "an object", 'o') {
		return nil
	}
	value := d.Peek(name)
	r := read(string(value))
	form := word(r.Peek("type"))
	if form == "" {
		d.refuse(dialect.Missing(name + ".type"))
		return nil
	}
	f := &llmv1.ResponseFormat{}
	switch form {
	case "text":
		f.Kind = llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_TEXT
	case "json_object":
		f.Kind = llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_OBJECT
	case "json_schema":
		d.schema(f, r)
	case "json":
		f.Schema = r.JSON("value")
		f.Kind = llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA
	case "regex":
		f.Kind, f.Pattern = llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_REGEX, word(r.Peek("value"))
		if f.Pattern == "" {
			d.refuse(dialect.Missing(name + ".value"))
		}
	}
	d.Take(name, func([]byte) bool { return true })
	var w object.Writer
	writeFormat(&w, f)
	f.Extensions = formatMarks(form, f).with(object.Diff(value, w.Bytes()))
	return f
}

// formatMarks says what the form alone doesn't: that TGI's stands here, and that a schema has none.
func formatMarks(form string, f *llmv1.ResponseFormat) marks {
	switch {
	case form == "regex":
		return marks{"type": `"regex"`}
	case form == "json_schema" && f.GetSchema() == "":
		return marks{"json_schema.schema": ""}
	}
	return nil
}

func (d *requestDecoder) schema(f *llmv1.ResponseFormat, r *object.Reader) {
	f.Kind = llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA
	value := r.Peek("json_schema")
	if value == nil {
		value = r.Peek("value")
	}
	s, ok := object.Read(value)
	if !ok {
		d.refuse(dialect.Missing("response_format.json_schema"))
		return
	}
	f.Name, f.Description, f.Strict = s.Text("name"), s.Text("description"), s.Bool("strict")
	if f.Schema = s.JSON("schema"); f.Schema != "" && rawjson.Kind([]byte(f.Schema)) != 'o' {
		d.refuse(dialect.Invalid("response_format.json_schema.schema", "must be a JSON Schema"))
	}
}
