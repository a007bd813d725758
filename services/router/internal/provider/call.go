package provider

import (
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

// Call is a client's request, in a dialect that the provider speaks.
type Call struct {
	// Dialect and Operation say what the body is.
	Dialect   llmv1.Dialect
	Operation routerv1.Operation
	// Body is the client's bytes; Facts what they say; Model the name the provider knows.
	Body  []byte
	Facts dialect.Facts
	Model string
	// Headers and Query are the client's; what isn't on the dialect's lists stays behind.
	Headers []*routerv1.Header
	Query   string
	// Silences bound those of a stream.
	Silences Silences
}

// Answer is a provider's answer: its head, and either the whole body or a stream. The caller closes the stream.
type Answer struct {
	// Status is the provider's.
	Status int
	// Headers are those that pass to the client.
	Headers []*routerv1.Header
	// UpstreamRequestID is the provider's own id of the exchange.
	UpstreamRequestID string
	// RetryAfter is how long the provider wants to be left alone; 0 where it doesn't say.
	RetryAfter time.Duration
	// Code is the provider's word for what went wrong; empty where it gives none.
	Code string
	// Final says that a repetition won't help, in the provider's own judgement (its x-should-retry).
	Final bool
	// Body is the whole body of an answer that isn't a stream, credentials masked where it is an error.
	Body []byte
	// Reading is what a successful Body tells.
	Reading dialect.Reading
	// Stream is set for a stream.
	Stream Stream
}

// Stream is a provider's event stream. It belongs to one goroutine.
type Stream interface {
	// Next returns the next frame and what to do with it; the frame is valid until the next call. The provider's error
	// frames come with credentials masked. An end short of the end is an error: STREAM_TRUNCATED, PROVIDER_MALFORMED,
	// TIMEOUT or CANCELLED. After a Terminal or Failed verdict there is nothing more to read.
	Next() (sse.Frame, dialect.Verdict, error)
	// Ready reports whether the next frame is already here, so that Next won't wait.
	Ready() bool
	// Reading returns what the frames so far told.
	Reading() dialect.Reading
	// Close gives the stream up, or, when its end was seen, lets the connection be used again.
	Close()
}

// Shows reports whether an event shows the caller something, or ends the answer.
func Shows(e *llmv1.StreamEvent) bool {
	switch kind := e.GetEvent().(type) {
	case *llmv1.StreamEvent_PartDelta:
		d := kind.PartDelta
		return d.GetText() != "" || d.GetArguments() != "" || d.GetSignature() != "" || d.GetCitation() != nil || len(d.GetData()) > 0
	case *llmv1.StreamEvent_PartStart:
		return shows(kind.PartStart.GetPart())
	case *llmv1.StreamEvent_Finish:
		return true
	}
	return false
}

// shows reports whether a part that begins shows something: text and thoughts mostly begin empty.
func shows(p *llmv1.Part) bool {
	switch kind := p.GetKind().(type) {
	case *llmv1.Part_Text:
		return kind.Text.GetText() != ""
	case *llmv1.Part_Refusal:
		return kind.Refusal.GetText() != ""
	case *llmv1.Part_Reasoning:
		return kind.Reasoning.GetText() != "" || kind.Reasoning.GetRedacted() != ""
	}
	return true
}

// Note adds what an event tells to a reading.
func Note(r *dialect.Reading, e *llmv1.StreamEvent) {
	switch {
	case e.GetPartDelta() != nil:
		d := e.GetPartDelta()
		r.Said += int64(len(d.GetText()) + len(d.GetArguments()))
	case e.GetStart() != nil:
		r.ID, r.Model = e.GetStart().GetId(), e.GetStart().GetModel()
	case e.GetUsage() != nil:
		r.Usage = e.GetUsage()
	case e.GetFinish() != nil:
		r.Finish, r.RawFinish = e.GetFinish().GetReason(), e.GetFinish().GetRawReason()
	}
}

// Reading is what a whole answer tells.
func Reading(c *llmv1.Completion) dialect.Reading {
	return dialect.Reading{
		Usage: c.GetUsage(), Finish: c.GetFinishReason(), RawFinish: c.GetRawFinishReason(), ID: c.GetId(), Model: c.GetModel(),
	}
}
