package relay

import (
	"cmp"
	"context"
	"net/http"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/cross"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/edge"
	"github.com/headgate-mesh/headgate/services/router/internal/estimate"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// translate asks a provider that doesn't speak the client's dialect, in the shared vocabulary.
func (c *call) translate(ctx context.Context, t catalog.Target, p *pump) (settled bool, err error) {
	c.unshown = nil
	p.head.Status = http.StatusOK
	p.head.Headers = []*routerv1.Header{{Name: "content-type", Value: "application/json"}}
	if c.Operation == routerv1.Operation_OPERATION_EMBED {
		return c.embed(ctx, t, p)
	}
	switch {
	case c.Operation == routerv1.Operation_OPERATION_COUNT_TOKENS:
		return c.count(ctx, t, p)
	case c.Facts.Stream:
		settled, err = c.stream(ctx, t, p)
	default:
		settled, err = c.whole(ctx, t, p)
	}
	return settled, c.inClientsWords(err)
}

// read translates the request, once. Its errors are the client's own.
func (c *call) read() (err error) {
	if c.Operation == routerv1.Operation_OPERATION_EMBED {
		if c.input == nil {
			c.input, err = c.Edge.DecodeEmbed(c.Body())
		}
		return err
	}
	c.prompt, c.warnings, err = c.Prompt()
	return err
}

// inClientsWords names fields as the client named them.
func (c *call) inClientsWords(err error) error {
	if err == nil {
		return nil
	}
	return cross.Error(err, c.Edge.Dialect)
}

func (c *call) warn(p *pump, upstreamRequestID string, warnings []string) {
	p.seen.Answered(http.StatusOK, upstreamRequestID)
	p.head.UpstreamRequestId = upstreamRequestID
	p.head.Warnings = append(append([]string{}, c.warnings...), cross.Warnings(warnings, c.Edge.Dialect)...)
}

// whole asks for an answer that isn't a stream.
func (c *call) whole(ctx context.Context, t catalog.Target, p *pump) (settled bool, err error) {
	answer, err := t.Provider.Chat(ctx, &providerv1.ChatRequest{Model: t.Model, Prompt: c.prompt})
	if err != nil {
		return false, err
	}
	completion := answer.GetCompletion()
	c.warn(p, answer.GetUpstreamRequestId(), answer.GetWarnings())
	return true, p.complete(c.Edge.EncodeResponse(cross.Answer(completion, t.Model)), provider.Reading(completion))
}

// stream asks for a stream.
func (c *call) stream(ctx context.Context, t catalog.Target, p *pump) (settled bool, err error) {
	p.head.Stream, p.head.Headers = true, nil
	v := &voice{pump: p, encoder: c.Edge.NewEncoder(dialect.Ask{Model: t.Model, Stream: true, IncludeUsage: c.Facts.IncludeUsage})}
	err = t.Provider.StreamChat(ctx, &providerv1.StreamChatRequest{Model: t.Model, Prompt: c.prompt}, t.Silences, v.take)
	if err == nil && !v.finished {
		err = fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED,
			"provider %s ended its stream before the answer was complete; try again", t.Provider.Name).With("provider", t.Provider.Name)
	}
	if err != nil {
		return p.broken(v.reading, c.inClientsWords(err))
	}
	p.seen.Reading(v.reading)
	p.seen.Book(nil)
	p.held = v.encoder.End(p.held)
	return true, p.send(p.held, trailer(v.reading, true))
}

// voice writes typed events in the client's dialect. It belongs to one goroutine.
type voice struct {
	*pump

	encoder  edge.Encoder
	reading  dialect.Reading
	begun    bool
	finished bool
}

// take is the provider.Emit of a translated stream.
func (v *voice) take(m *providerv1.StreamChatResponse, more bool) (err error) {
	if !v.begun {
		v.begun = true
		v.call.warn(v.pump, m.GetUpstreamRequestId(), m.GetWarnings())
	}
	event := m.GetEvent()
	provider.Note(&v.reading, event)
	v.finished = v.finished || event.GetFinish() != nil
	if v.held, err = v.encoder.Encode(v.held, event); err != nil {
		return err
	}
	if provider.Shows(event) {
		v.content()
	}
	if err := v.seen.Afford(v.reading); err != nil {
		return cmp.Or(v.flush(false), err)
	}
	return v.flush(more)
}

// count asks how many tokens a prompt is; where the provider can't tell, Headgate estimates and says so.
func (c *call) count(ctx context.Context, t catalog.Target, p *pump) (settled bool, err error) {
	answer, err := t.Provider.CountTokens(ctx, &providerv1.CountTokensRequest{Model: t.Model, Prompt: c.prompt})
	n := answer.GetInputTokens()
	if provider.Unasked(err) {
		n, err = estimate.Prompt(c.prompt), nil
		c.warnings = append(c.warnings, "estimated: the provider can't count tokens")
	}
	if err != nil {
		return false, c.inClientsWords(err)
	}
	c.warn(p, answer.GetUpstreamRequestId(), nil)
	return true, p.complete(c.Edge.EncodeCount(n), dialect.Reading{})
}

// embed asks for vectors.
func (c *call) embed(ctx context.Context, t catalog.Target, p *pump) (settled bool, err error) {
	answer, err := t.Provider.Embed(ctx, &providerv1.EmbedRequest{Model: t.Model, Input: c.input})
	if err != nil {
		return false, c.inClientsWords(err)
	}
	c.warn(p, answer.GetUpstreamRequestId(), answer.GetWarnings())
	reading := dialect.Reading{Usage: answer.GetUsage(), Model: answer.GetModel()}
	return true, p.complete(c.Edge.EncodeEmbed(answer, c.Body()), reading)
}
