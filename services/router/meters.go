package router

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// measure shows what the books hold back: what the usage service doesn't have yet, and whether limits are held without
// the shared accounts.
func (b *books) measure(meter metric.Meter) error {
	if b.ledger != nil {
		_, err := meter.Int64ObservableGauge("headgate.usage.unshipped", metric.WithUnit("{attempt}"),
			metric.WithDescription("Attempts in the local log that the usage service doesn't have yet."),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				events, _ := b.ledger.Lag()
				o.Observe(events)
				return nil
			}))
		if err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	if b.quota == nil {
		return nil
	}
	_, err := meter.Int64ObservableGauge("headgate.limits.degraded",
		metric.WithDescription("1 while limits are held without the shared accounts, by this router's part of them."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(number(b.quota.Degraded()))
			return nil
		}))
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
