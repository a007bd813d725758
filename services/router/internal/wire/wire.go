// Package wire binds a dialect's codec to what HTTP needs around it: paths, credentials and the headers that may pass.
// It is the one table to read to know how providers differ for the router.
package wire

import (
	"net/http"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Tap reads a stream's frames on their way through. Not safe for concurrent use.
type Tap interface {
	// Read judges one frame.
	Read(f sse.Frame) dialect.Verdict
	// Reading returns what the frames so far told.
	Reading() dialect.Reading
}

// Mender is a Tap for servers whose frames break the vendors' SDKs.
type Mender interface {
	// Mend returns the frame as the dialect's own vendor would have written it; mostly the frame itself.
	Mend(f sse.Frame) sse.Frame
}

// Decoder turns a stream's frames into typed events. Not safe for concurrent use.
type Decoder interface {
	// Decode returns the events that one frame completes, or the provider's error as a *fault.Error.
	Decode(f sse.Frame) ([]*llmv1.StreamEvent, error)
	// Done reports whether the answer is complete: nothing more is read.
	Done() bool
}

// Ender is a Decoder for servers whose streams may end without a terminal frame.
type Ender interface {
	// End returns the last events of a stream whose body has ended; false says that the answer was cut.
	End() ([]*llmv1.StreamEvent, bool)
}

// Wire is one provider's protocol over HTTP. Its functions are safe for concurrent use.
type Wire struct {
	// Dialect is the one it takes raw requests in; unspecified where it takes none.
	Dialect llmv1.Dialect
	// BaseURL is the vendor's public address; empty where there is none.
	BaseURL string
	// ModelsPath is joined to the base URL.
	ModelsPath string
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

	// Raw are the operations that it takes in its dialect as they are.
	Raw map[routerv1.Operation]Raw
	// Chat, Embed and Count ask it in the shared vocabulary; Embed and Count are nil where it can't be asked.
	Chat  Chat
	Embed *Embed
	Count *Count

	// DecodeModels reads its model list.
	DecodeModels func(body []byte) ([]*llmv1.Model, error)
	// DecodeError reads any error body; IsError tells one that clients of the dialect understand as it is; ErrorBody
	// writes an error in the dialect.
	DecodeError func(status int, body []byte) dialect.ProviderError
	IsError     func(body []byte) bool
	// MendError puts an error body right that is nearly one of the dialect; nil where there is nothing to put right.
	MendError func(body []byte) []byte
	ErrorBody func(e *fault.Error, requestID string) []byte
}

// Raw is one operation on a client's own bytes.
type Raw struct {
	// Path is joined to the base URL.
	Path string
	// Rewrite puts the provider's name of the model in, and what else has to change.
	Rewrite func(body []byte, f dialect.Facts, model string) []byte
	// NewTap taps a stream; nil where the operation has none.
	NewTap func(f dialect.Facts) Tap
	// Read reads a whole answer to a request, and returns the bytes for the client.
	Read func(answer, request []byte) ([]byte, dialect.Reading, error)
}

// Chat is asking in the shared vocabulary.
type Chat struct {
	// Path is joined to the base URL, StreamPath for streams where that is another.
	Path, StreamPath string
	// Encode writes the request; it also returns what was left out.
	Encode func(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error)
	// Decode reads a whole answer.
	Decode func(body []byte, h http.Header) (*llmv1.Completion, error)
	// NewDecoder decodes a stream.
	NewDecoder func(extensions bool) Decoder
}

// Embed is asking for vectors.
type Embed struct {
	// Path is joined to the base URL.
	Path string
	// Encode writes the request.
	Encode func(in *llmv1.EmbeddingInput, model string) ([]byte, error)
	// Decode reads the answer.
	Decode func(body []byte) (*providerv1.EmbedResponse, error)
}

// Count is asking for a prompt's tokens.
type Count struct {
	// Path is joined to the base URL.
	Path string
	// Encode writes the request.
	Encode func(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error)
	// Decode reads the answer.
	Decode func(body []byte) (int64, error)
}

// Lower returns a header's name, as net/http spells it, in lower case.
func Lower(name string) string {
	if lower, ok := lowered[name]; ok {
		return lower
	}
	return strings.ToLower(name)
}

// lowered are the headers that answers mostly carry: making that spelling anew costs an allocation each.
var lowered = func() map[string]string {
	names := make(map[string]string)
	for _, name := range []string{
		"alt-svc", "cache-control", "cf-cache-status", "cf-ray", "connection", "content-length", "content-type", "date", "server",
		"strict-transport-security", "transfer-encoding", "vary", "via", "x-content-type-options",
		"request-id", "retry-after", "retry-after-ms", "x-request-id", "x-should-retry",
		"openai-model", "openai-organization", "openai-processing-ms", "openai-project", "openai-version",
		"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
		"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens",
		"anthropic-organization-id",
		"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset",
		"anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset",
		"anthropic-ratelimit-input-tokens-limit", "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset",
		"anthropic-ratelimit-output-tokens-limit", "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset",
	} {
		names[http.CanonicalHeaderKey(name)] = name
	}
	return names
}()

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

func bearer(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) }

// whole adapts a reader of answers that pass as they are.
func whole(read func(body []byte) (dialect.Reading, error)) func(answer, request []byte) ([]byte, dialect.Reading, error) {
	return func(body, _ []byte) ([]byte, dialect.Reading, error) {
		reading, err := read(body)
		return body, reading, err
	}
}
