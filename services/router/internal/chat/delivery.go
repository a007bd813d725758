package chat

import (
	"cmp"
	"net/http"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/attempt"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/estimate"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

type sender interface {
	Send(m *routerv1.StreamChatResponse) error
}

// delivery carries one attempt's events to the caller. What comes before the first content is held back, so that
// another target may still take over; the finish and what comes with it is, until the answer is in the books.
type delivery struct {
	out      sender
	seen     *account.Attempt
	target   catalog.Target
	number   attempt.Number
	held     []*routerv1.StreamChatResponse
	sent     bool
	finished bool
	reading  dialect.Reading
}

// emit is the provider.Emit of a typed stream.
func (d *delivery) emit(m *providerv1.StreamChatResponse, _ bool) error {
	if d.reading.ID == "" && m.GetUpstreamRequestId() != "" {
		d.seen.Answered(http.StatusOK, m.GetUpstreamRequestId())
	}
	provider.Note(&d.reading, m.GetEvent())
	d.finished = d.finished || m.GetEvent().GetFinish() != nil
	response := &routerv1.StreamChatResponse{Event: m.GetEvent()}
	if !d.sent && len(d.held) == 0 {
		response.Served = served(d.target, m, d.number)
	}
	d.held = append(d.held, response)
	if err := d.seen.Afford(d.reading); err != nil {
		return cmp.Or(d.flush(), err)
	}
	if d.finished || !d.sent && !provider.Shows(m.GetEvent()) {
		return nil
	}
	return d.flush()
}

func (d *delivery) flush() error {
	d.seen.Content()
	d.number.Content()
	for _, m := range d.held {
		d.sent = true
		if err := d.out.Send(m); err != nil {
			return err
		}
	}
	d.held = d.held[:0]
	return nil
}

// end refuses an answer that ended without a finish, and books and completes any other.
func (d *delivery) end() error {
	d.seen.Reading(d.reading)
	if !d.finished {
		return fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED,
			"provider %s ended its stream before the answer was complete; try again", d.target.Provider.Name).
			With("provider", d.target.Provider.Name)
	}
	d.seen.Book(nil)
	return d.flush()
}

func embedded(r *providerv1.EmbedResponse) dialect.Reading {
	return dialect.Reading{Usage: r.GetUsage(), Model: r.GetModel()}
}

func estimated(t catalog.Target, p *llmv1.Prompt) *routerv1.CountTokensResponse {
	return &routerv1.CountTokensResponse{
		InputTokens: estimate.Prompt(p), Estimated: true,
		Served: &routerv1.Served{Provider: t.Provider.Name, Model: t.Model},
	}
}
