// Package anthropic is the dialect of Anthropic's messages: reading and editing requests, tapping streams, and
// translating to and from headgate.llm.v1.
package anthropic

import (
	"github.com/headgate-mesh/headgate/dialect"
)

// ReadFacts reads a messages request in one pass. Errors are *fault.Error: INVALID_JSON, TOO_DEEP, MISSING_FIELD and
// INVALID_FIELD.
func ReadFacts(body []byte) (dialect.Facts, error) { return messageTable.Read(body) }

// ReadCountFacts reads a request of /v1/messages/count_tokens: a messages request without max_tokens. Errors are those of
// ReadFacts.
func ReadCountFacts(body []byte) (dialect.Facts, error) { return countTable.Read(body) }

var (
	messageTable = dialect.Table{
		{Name: "model", Required: true, Read: dialect.ModelField},
		{Name: "messages", Required: true, Read: dialect.MessagesField},
		{Name: "max_tokens", Required: true, Read: dialect.BoundField("max_tokens", 0, false)},
		{Name: "stream", Read: dialect.StreamField},
	}
	// countTable also reads what DecodeRequest takes, which is either kind of request.
	countTable = dialect.Table{
		messageTable[0], messageTable[1], messageTable[3],
		{Name: "max_tokens", Read: messageTable[2].Read},
	}
)
