// Package dialect holds what the vendors' dialects have in common: the facts of a request, the verdict on a stream's
// frame, and what an answer tells. The dialects themselves are packages of their own, with the same functions each.
package dialect

import (
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

const (
	// MaxDepth is how deep a request may be nested.
	MaxDepth = 64
	// MaxAnswerDepth is how deep an answer may be nested: a tool call holds whatever the model wrote.
	MaxAnswerDepth = 512
	// MaxFrame bounds one event of a stream, in bytes: images come in one.
	MaxFrame = 16 << 20
	// MaxModel bounds a model's name, in bytes.
	MaxModel = 256
)

// Span is a place in a body: body[At:End]. The zero Span is no place.
type Span struct{ At, End int }

// Set reports whether the span is a place.
func (s Span) Set() bool { return s.End > 0 }

// Facts are what Headgate needs to know of a request. They are read in one pass, and say where to edit.
type Facts struct {
	// Model is what the client asks for.
	Model string
	// Stream is whether it wants a stream.
	Stream bool
	// IncludeUsage is whether it asked for the usage chunk of an OpenAI stream.
	IncludeUsage bool
	// MaxOutputTokens is the declared bound, 0 where there is none.
	MaxOutputTokens int64
	// ModelAt is the model's value; OptionsAt that of stream_options; UsageAt that of include_usage within it.
	ModelAt, OptionsAt, UsageAt Span
	// OptionsEmpty says that stream_options has no members.
	OptionsEmpty bool
}

// Reading is what an answer, or a stream so far, tells.
type Reading struct {
	// Usage is the provider's count; nil where it gave none. An explicit zero is a count.
	Usage *llmv1.TokenUsage
	// Finish is why the model stopped, RawFinish the provider's word for it.
	Finish    llmv1.FinishReason
	RawFinish string
	// ID and Model are the provider's.
	ID, Model string
	// Said is how many bytes of text, reasoning and calls were shown so far: what an estimate of the output is made of
	// where an answer breaks off before the provider's count.
	Said int64
}

// Action is what to do with a frame.
type Action uint8

const (
	// Forward hands the frame to the client.
	Forward Action = iota
	// Drop keeps it from the client, who didn't ask for it.
	Drop
	// Terminal hands it on: the answer is complete.
	Terminal
	// Failed hands it on: it is the provider's error, and the stream is over.
	Failed
	// Malformed means that it can't be understood and mustn't be handed on.
	Malformed
)

// Verdict is a tap's judgement of one frame.
type Verdict struct {
	// Action is what to do with it.
	Action Action
	// Content is whether it shows the client text, reasoning, a refusal or a tool call.
	Content bool
}

// ProviderError is what a provider's error body says, whatever its shape.
type ProviderError struct {
	// Status is the HTTP status, or the status that an error within a stream stands for.
	Status int
	// Type, Code and Param are the provider's words, empty where it gave none.
	Type, Code, Param string
	// Message is for people, at most 2 KB.
	Message string
}
