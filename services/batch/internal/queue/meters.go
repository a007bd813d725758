package queue

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
)

func (q *Queue) measure() (err error) {
	q.lines, err = q.Meter.Int64Counter("headgate.batch.lines", metric.WithUnit("{line}"),
		metric.WithDescription("Lines of batches that have ended, by outcome."))
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	q.answers, err = q.Meter.Int64Counter("headgate.batch.answers", metric.WithUnit("{line}"),
		metric.WithDescription("Lines of batches that were asked and have ended, by way: live, or job at a provider's batch API."))
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	_, err = q.Meter.Int64ObservableGauge("headgate.batch.active", metric.WithUnit("{batch}"),
		metric.WithDescription("Batches that haven't ended."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(q.active.Load())
			return nil
		}))
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}

// counted adds lines to the metrics.
func (q *Queue) counted(o batchv1.LineOutcome, n int64) {
	if n == 0 {
		return
	}
	outcome := strings.ToLower(strings.TrimPrefix(o.String(), "LINE_OUTCOME_"))
	q.lines.Add(context.Background(), n, metric.WithAttributes(attribute.String("outcome", outcome)))
}

// answered adds lines that were asked to the metrics, by the way they went.
func (q *Queue) answered(way string, n int64) {
	q.answers.Add(context.Background(), n, metric.WithAttributes(attribute.String("way", way)))
}
