package tgi

import (
	"bytes"

	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// ChatDecoder turns the chunks of a chat into typed events. It belongs to one goroutine.
type ChatDecoder struct {
	*openai.Decoder

	calls bool
}

// NewChatDecoder returns a decoder for one stream.
func NewChatDecoder() *ChatDecoder { return &ChatDecoder{Decoder: openai.NewDecoder(false)} }

// Decode returns the events that one frame completes: with an id, which TGI gives none, with ids of calls that differ from
// those of other answers, and with a finish that says that tools are called. Errors are as those of openai.Decoder.
func (d *ChatDecoder) Decode(f sse.Frame) ([]*llmv1.StreamEvent, error) {
	events, err := eachLine(f, d.Decoder.Decode)
	if err != nil {
		return nil, placed(err)
	}
	for _, e := range events {
		d.mend(e)
	}
	return events, nil
}

// eachLine decodes a frame of several lines line by line, as TGI's own client reads streams: recordings of version 1.4
// have two chunks with no blank line between them.
func eachLine(f sse.Frame, decode func(sse.Frame) ([]*llmv1.StreamEvent, error)) ([]*llmv1.StreamEvent, error) {
	if bytes.IndexByte(f.Data, '\n') < 0 {
		return decode(f)
	}
	var all []*llmv1.StreamEvent
	for line := range bytes.SplitSeq(f.Data, []byte("\n")) {
		f.Data = line
		events, err := decode(f)
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	return all, nil
}

// End returns the last events of a stream whose body has ended: servers before v2 send no [DONE]. False says that the
// answer was cut.
func (d *ChatDecoder) End() ([]*llmv1.StreamEvent, bool) {
	if !d.Finished() {
		return nil, false
	}
	events, err := d.Decode(sse.Frame{Data: []byte("[DONE]")})
	return events, err == nil
}

func (d *ChatDecoder) mend(e *llmv1.StreamEvent) {
	if start := e.GetStart(); start != nil && start.GetId() == "" {
		start.Id = mintID()
	}
	if call := e.GetPartStart().GetPart().GetToolCall(); call != nil {
		call.Id, d.calls = mintCall(), true
	}
	if finish := e.GetFinish(); finish != nil && d.calls {
		finish.Reason = called(finish.GetReason())
	}
}
