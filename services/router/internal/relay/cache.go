package relay

import (
	"context"
	"time"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/answers"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
)

// fromCache answers with what was kept; done is false where a provider has to be asked, or another call waited for that
// asks one already.
func (c *call) fromCache(ctx context.Context, p plan.Plan) (ahead *answers.Follower, done bool, err error) {
	if !p.Cached() || c.Operation == routerv1.Operation_OPERATION_COUNT_TOKENS {
		return nil, false, nil
	}
	began := time.Now()
	hit, fill, ahead := c.server.answers.Lookup(ctx, c.question(p))
	if hit == nil {
		c.fill = fill
		return ahead, false, nil
	}
	return nil, true, c.replay(hit, began)
}

// waitShare is the part of the time that is left to a call which it waits for somebody else's answer, at most: there is as
// much left then to ask by itself.
const waitShare = 2

// fromAhead answers with what another call got from the provider; done is false where this one has to ask by itself. The
// context's deadline is the call's.
func (c *call) fromAhead(ctx context.Context, ahead *answers.Follower) (done bool, err error) {
	began := time.Now()
	deadline, _ := ctx.Deadline()
	hit, fill := ahead.Wait(ctx, time.Until(deadline)/waitShare)
	if hit != nil {
		return true, c.replay(hit, began)
	}
	c.fill = fill
	if ctx.Err() != nil { // nobody is there to ask for
		c.fill.Close()
		return true, context.Cause(ctx)
	}
	return false, nil
}

func (c *call) replay(hit *answers.Hit, began time.Time) error {
	c.books.Cached(hit.Provider, hit.Model, began)
	return hit.Replay(func(m *routerv1.RelayResponse) error {
		if m.GetHead() != nil {
			m.Head.Headers = c.Edge.WithLimits(m.GetHead().GetHeaders(), c.books.Reservation().Balances())
		}
		return c.out.Send(m)
	})
}

func (c *call) question(p plan.Plan) answers.Ask {
	ask := answers.Ask{
		Tenant: c.books.Account(), Dialect: c.Edge.Dialect, Operation: c.Operation, Model: p.Model,
		Headers: c.request.GetHeaders(), Query: c.request.GetQuery(), Body: c.Body(), Stream: c.Facts.Stream,
		Sensitivity: p.Wishes.Sensitivity, Wish: p.Wishes.Cache, On: p.Cache, TTL: p.Wishes.CacheTTL,
	}
	for _, t := range p.Targets {
		ask.Targets = append(ask.Targets, answers.Target{Provider: t.Provider.Name, Model: t.Model})
	}
	return ask
}

// missed labels the head of an answer that the cache was asked for.
func missed(head *routerv1.RelayHead) {
	head.Headers = append(head.Headers, &routerv1.Header{Name: meta.Cache, Value: "miss"})
}
