// Package edge is the client's side of a dialect: reading what a client asks, and writing what it gets when the answer
// comes from a provider of another dialect.
package edge

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Encoder writes typed events as a stream of the dialect. It belongs to one goroutine.
type Encoder interface {
	// Encode appends the frames that an event completes, maybe none.
	Encode(dst []byte, e *llmv1.StreamEvent) ([]byte, error)
	// End appends what closes the stream of a complete answer.
	End(dst []byte) []byte
}

// Edge is one dialect as its clients speak it. Its functions are safe for concurrent use.
type Edge struct {
	// Dialect names it.
	Dialect llmv1.Dialect
	// ReadFacts reads a request of each operation that the dialect has.
	ReadFacts map[routerv1.Operation]func(body []byte) (dialect.Facts, error)
	// DecodeRequest reads a chat, or a count's prompt.
	DecodeRequest func(body []byte) (*llmv1.Prompt, error)
	// EncodeResponse and NewEncoder write an answer, whole and as a stream.
	EncodeResponse func(c *llmv1.Completion) []byte
	NewEncoder     func(a dialect.Ask) Encoder
	// EncodeCount writes a count; nil where the dialect has none.
	EncodeCount func(n int64) []byte
	// DecodeEmbed reads a request for vectors, EncodeEmbed writes them; nil where the dialect has none.
	DecodeEmbed func(body []byte) (*llmv1.EmbeddingInput, error)
	EncodeEmbed func(r *providerv1.EmbedResponse, request []byte) []byte
	// FrameError is the error that an error frame of the dialect holds.
	FrameError func(f sse.Frame) error
	// ErrorFrame writes an error as the last frame of a stream.
	ErrorFrame func(e *fault.Error, requestID string) []byte
}

// OpenAI is the dialect under /v1, but for what is Anthropic's.
func OpenAI() *Edge {
	return &Edge{
		Dialect: llmv1.Dialect_DIALECT_OPENAI,
		ReadFacts: map[routerv1.Operation]func([]byte) (dialect.Facts, error){
			routerv1.Operation_OPERATION_CHAT:  openai.ReadFacts,
			routerv1.Operation_OPERATION_EMBED: openai.ReadEmbedFacts,
		},
		DecodeRequest:  openai.DecodeRequest,
		EncodeResponse: openai.EncodeResponse,
		NewEncoder:     func(a dialect.Ask) Encoder { return openai.NewEncoder(a) },
		DecodeEmbed:    openai.DecodeEmbedRequest,
		EncodeEmbed:    encodeEmbed,
		FrameError:     func(f sse.Frame) error { _, err := openai.NewDecoder(false).Decode(f); return err },
		ErrorFrame:     openai.ErrorFrame,
	}
}

// Anthropic is the dialect under /v1/messages.
func Anthropic() *Edge {
	return &Edge{
		Dialect: llmv1.Dialect_DIALECT_ANTHROPIC,
		ReadFacts: map[routerv1.Operation]func([]byte) (dialect.Facts, error){
			routerv1.Operation_OPERATION_CHAT:         anthropic.ReadFacts,
			routerv1.Operation_OPERATION_COUNT_TOKENS: anthropic.ReadCountFacts,
		},
		DecodeRequest:  anthropic.DecodeRequest,
		EncodeResponse: anthropic.EncodeResponse,
		NewEncoder:     func(a dialect.Ask) Encoder { return anthropic.NewEncoder(a) },
		EncodeCount:    anthropic.EncodeCountResponse,
		FrameError:     func(f sse.Frame) error { _, err := anthropic.NewDecoder(false).Decode(f); return err },
		ErrorFrame:     anthropic.ErrorFrame,
	}
}
