package relay

import (
	"context"
	"time"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/answers"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
)

// fromCache answers with what was kept; false where a provider has to be asked.
func (c *call) fromCache(ctx context.Context, p plan.Plan) (done bool, err error) {
	if !p.Cached() || c.Operation == routerv1.Operation_OPERATION_COUNT_TOKENS {
		return false, nil
	}
	began := time.Now()
	var hit *answers.Hit
	hit, c.fill = c.server.answers.Lookup(ctx, c.question(p))
	if hit == nil {
		return false, nil
	}
	c.books.Cached(hit.Provider, hit.Model, began)
	return true, hit.Replay(func(m *routerv1.RelayResponse) error {
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
