package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
)

// breakerLevels are the values of headgate.target.breaker_state: the higher, the less is let through.
var breakerLevels = map[breaker.State]int64{breaker.Closed: 0, breaker.HalfOpen: 1, breaker.Open: 2}

// measureTargets shows how the configured targets and the providers are doing. Targets that clients named aren't shown:
// there may be any number of them.
func measureTargets(meter metric.Meter, current func() *catalog.Catalog) error {
	_, err := meter.Int64ObservableGauge("headgate.target.breaker_state",
		metric.WithDescription("What a configured target's breaker lets through: 0 all, 1 probes (half-open), 2 nothing (open)."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			observeBreakers(o, current())
			return nil
		}))
	_, keysErr := meter.Int64ObservableGauge("headgate.provider.keys_cooling", metric.WithUnit("{key}"),
		metric.WithDescription("Keys of a provider that are left alone for a while, because of its 429, 402, 401 or 403."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			observeKeys(o, current())
			return nil
		}))
	_, healthErr := meter.Int64ObservableGauge("headgate.provider.healthy",
		metric.WithDescription("1 while the active health checks find a replica of the provider well, 0 while they find none."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			observeHealth(o, current())
			return nil
		}))
	if err := errors.Join(err, keysErr, healthErr); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}

func observeBreakers(o metric.Int64Observer, c *catalog.Catalog) {
	now := time.Now()
	for _, m := range c.Models() {
		for _, t := range m.Targets {
			state, _ := t.Standing.Breaker().Read(now)
			o.Observe(breakerLevels[state], metric.WithAttributes(
				attribute.String("headgate.provider", t.Provider.Name), attribute.String("gen_ai.request.model", t.Model)))
		}
	}
}

func observeKeys(o metric.Int64Observer, c *catalog.Catalog) {
	now := time.Now()
	for _, p := range c.Providers() {
		if keys := p.Provider.Keys(); keys.Len() > 0 {
			o.Observe(int64(keys.Resting(now)), metric.WithAttributes(attribute.String("headgate.provider", p.Provider.Name)))
		}
	}
}

func observeHealth(o metric.Int64Observer, c *catalog.Catalog) {
	for _, p := range c.Providers() {
		if healthy, known := p.Provider.Healthy(); known {
			o.Observe(number(healthy), metric.WithAttributes(attribute.String("headgate.provider", p.Provider.Name)))
		}
	}
}
