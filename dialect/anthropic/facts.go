// Package anthropic is the dialect of Anthropic's messages: reading and editing requests, tapping streams, and
// translating to and from headgate.llm.v1.
package anthropic

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// ReadFacts reads a messages request in one pass. Errors are *fault.Error: INVALID_JSON, TOO_DEEP, MISSING_FIELD and
// INVALID_FIELD.
func ReadFacts(body []byte) (dialect.Facts, error) { return table.Read(body) }

var table = dialect.Table{
	{Name: "model", Required: true, Read: dialect.ModelField},
	{Name: "messages", Required: true, Read: dialect.MessagesField},
	{Name: "max_tokens", Required: true, Read: dialect.BoundField("max_tokens", 0, false)},
	{Name: "stream", Read: dialect.StreamField},
}

// Rewrite returns the body with another model's name; every other byte stays, and body itself is returned where the
// name is the same.
func Rewrite(body []byte, f dialect.Facts, model string) []byte {
	if model == f.Model {
		return body
	}
	return rawjson.Splice(body, f.WithModel(model))
}
