// Package openai is the dialect of OpenAI's chat completions: reading and editing requests, tapping streams, and
// translating to and from headgate.llm.v1.
package openai

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// ReadFacts reads a chat request in one pass. Errors are *fault.Error: INVALID_JSON, TOO_DEEP, MISSING_FIELD and
// INVALID_FIELD.
func ReadFacts(body []byte) (dialect.Facts, error) { return table.Read(body) }

var table = dialect.Table{
	{Name: "model", Required: true, Read: dialect.ModelField},
	{Name: "messages", Required: true, Read: dialect.MessagesField},
	{Name: "stream", Read: dialect.StreamField},
	{Name: "stream_options", Read: streamOptions},
	{Name: "max_tokens", Read: dialect.BoundField("max_tokens", 0, true)},
	{Name: "max_completion_tokens", Read: dialect.BoundField("max_completion_tokens", 0, true)},
}

func streamOptions(m rawjson.Member, f *dialect.Facts) error {
	f.OptionsAt = dialect.Span{At: m.ValueAt, End: m.ValueEnd}
	if rawjson.Kind(m.Value) == 'n' {
		return nil
	}
	f.OptionsEmpty = true
	var refused error
	err := rawjson.Object(m.Value, dialect.MaxDepth, func(o rawjson.Member) bool {
		f.OptionsEmpty = false
		if string(o.Name) == "include_usage" {
			refused = includeUsage(m.ValueAt, o, f)
		}
		return refused == nil
	})
	if err != nil {
		return dialect.Invalid("stream_options", "must be an object")
	}
	return refused
}

// includeUsage reads the option; from is where stream_options begins in the body.
func includeUsage(from int, o rawjson.Member, f *dialect.Facts) error {
	const field = "stream_options.include_usage"
	if kind := rawjson.Kind(o.Value); kind != 'b' && kind != 'n' {
		return dialect.Invalid(field, "must be true or false")
	}
	if f.UsageAt.Set() {
		return dialect.Twice(field)
	}
	f.UsageAt = dialect.Span{At: from + o.ValueAt, End: from + o.ValueEnd}
	f.IncludeUsage = string(o.Value) == "true"
	return nil
}
