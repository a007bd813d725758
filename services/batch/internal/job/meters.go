package job

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

func (c *Carrier) measure() error {
	_, err := c.Meter.Int64ObservableGauge("headgate.batch.jobs", metric.WithUnit("{job}"),
		metric.WithDescription("Jobs at providers' batch APIs, or on their way there, that aren't done, by provider."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			for provider, n := range c.open {
				o.Observe(n, metric.WithAttributes(attribute.String("provider", provider)))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}

// opened counts open jobs. A provider that had one once is told of with none.
func (c *Carrier) opened(provider string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[provider] += n
}
