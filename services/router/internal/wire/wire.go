// Package wire binds a dialect's codec to what HTTP needs around it: paths, credentials and the headers that may pass.
// It is the one table to read to know how the OpenAI and the Anthropic dialect differ for the router.
package wire

import (
	"net/http"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Tap reads a stream's frames on their way through. Not safe for concurrent use.
type Tap interface {
	// Read judges one frame.
	Read(f sse.Frame) dialect.Verdict
	// Reading returns what the frames so far told.
	Reading() dialect.Reading
}

// Decoder turns a stream's frames into typed events. Not safe for concurrent use.
type Decoder interface {
	// Decode returns the events that one frame completes, or the provider's error as a *fault.Error.
	Decode(f sse.Frame) ([]*llmv1.StreamEvent, error)
	// Done reports whether the terminal frame was seen.
	Done() bool
}

// Wire is one dialect over HTTP. Its functions are safe for concurrent use and never nil.
type Wire struct {
	// Dialect names it.
	Dialect llmv1.Dialect
	// DefaultBaseURL is the vendor's public address.
	DefaultBaseURL string
	// ChatPath and ModelsPath are joined to the base URL.
	ChatPath, ModelsPath string
	// RequestHeaders of the client that pass to the provider, in lower case.
	RequestHeaders []string
	// QueryParameters of the client that pass to the provider.
	QueryParameters []string
	// FixedHeaders are set on requests that Headgate makes itself (typed calls, model lists).
	FixedHeaders map[string]string
	// ResponseHeader reports whether a provider's header, in lower case, passes to the client.
	ResponseHeader func(name string) bool
	// RequestIDHeader carries the provider's own id of an exchange.
	RequestIDHeader string
	// Authorize sets Headgate's credential.
	Authorize func(h http.Header, key string)

	// ReadFacts, Rewrite, NewTap and ReadResponse serve the relay path.
	ReadFacts    func(body []byte) (dialect.Facts, error)
	Rewrite      func(body []byte, f dialect.Facts, model string) []byte
	NewTap       func(f dialect.Facts) Tap
	ReadResponse func(body []byte) (dialect.Reading, error)

	// EncodeRequest, DecodeResponse, NewDecoder and DecodeModels serve the typed path.
	EncodeRequest  func(model string, p *llmv1.Prompt, stream bool) ([]byte, error)
	DecodeResponse func(body []byte) (*llmv1.Completion, error)
	NewDecoder     func() Decoder
	DecodeModels   func(body []byte) ([]*llmv1.Model, error)

	// DecodeError reads any error body; IsError tells one that clients of the dialect understand as it is; ErrorBody and ErrorFrame write Headgate's errors in the dialect.
	DecodeError func(status int, body []byte) dialect.ProviderError
	IsError     func(body []byte) bool
	ErrorBody   func(e *fault.Error, requestID string) []byte
	ErrorFrame  func(e *fault.Error, requestID string) []byte
}

// sharedResponseHeaders pass in every dialect.
func sharedResponseHeader(name string) bool {
	switch name {
	case "content-type", "retry-after", "retry-after-ms", "x-should-retry":
		return true
	}
	return false
}

func hasAnyPrefix(name string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
