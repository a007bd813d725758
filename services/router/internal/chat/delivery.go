package chat

import (
	"github.com/headgate-mesh/headgate/dialect"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
)

type sender interface {
	Send(m *routerv1.StreamChatResponse) error
}

// delivery carries one attempt's events to the caller. What comes before the first content is held back, so that
// another target may still take over.
type delivery struct {
	out     sender
	seen    *observe.Attempt
	target  catalog.Target
	number  int
	held    []*routerv1.StreamChatResponse
	sent    bool
	reading dialect.Reading
}

func (d *delivery) emit(m *providerv1.StreamChatResponse) error {
	d.note(m.GetEvent())
	response := &routerv1.StreamChatResponse{Event: m.GetEvent()}
	if !d.sent && len(d.held) == 0 {
		response.Served = served(d.target, m.GetUpstreamRequestId(), d.number)
	}
	d.held = append(d.held, response)
	if !d.sent && !shows(m.GetEvent()) {
		return nil
	}
	return d.flush()
}

func (d *delivery) flush() error {
	d.seen.Content()
	for _, m := range d.held {
		d.sent = true
		if err := d.out.Send(m); err != nil {
			return err
		}
	}
	d.held = d.held[:0]
	return nil
}

// note keeps what the stream tells of its cost.
func (d *delivery) note(e *llmv1.StreamEvent) {
	switch {
	case e.GetStart() != nil:
		d.reading.ID, d.reading.Model = e.GetStart().GetId(), e.GetStart().GetModel()
	case e.GetUsage() != nil:
		d.reading.Usage = e.GetUsage()
	case e.GetFinish() != nil:
		d.reading.Finish, d.reading.RawFinish = e.GetFinish().GetReason(), e.GetFinish().GetRawReason()
	}
}

// shows reports whether an event shows the caller something, or ends the answer.
func shows(e *llmv1.StreamEvent) bool { return e.GetPartDelta() != nil || e.GetFinish() != nil }

func reading(c *llmv1.Completion) dialect.Reading {
	return dialect.Reading{
		Usage: c.GetUsage(), Finish: c.GetFinishReason(), RawFinish: c.GetRawFinishReason(), ID: c.GetId(), Model: c.GetModel(),
	}
}
