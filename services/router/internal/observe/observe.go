// Package observe measures attempts at providers by the GenAI conventions of OpenTelemetry: a client span, and
// histograms of duration, time to first chunk and tokens.
package observe

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// Observer measures attempts. Safe for concurrent use.
type Observer struct {
	log    *slog.Logger
	tracer trace.Tracer
	metrics
	labels labels
}

// New registers the histograms with the meter.
func New(log *slog.Logger, tracer trace.Tracer, meter metric.Meter) (*Observer, error) {
	m, err := newMetrics(meter)
	if err != nil {
		return nil, err
	}
	return &Observer{log: log, tracer: tracer, metrics: m}, nil
}

// Attempt is one attempt under observation. It belongs to one goroutine.
type Attempt struct {
	o       *Observer
	ctx     context.Context //nolint:containedctx // the span's, for exemplars and the log
	span    trace.Span
	target  catalog.Target
	start   time.Time
	first   time.Duration
	reading dialect.Reading

	operation string
}

// The operations, in the words of the GenAI conventions; counting has none there.
const (
	Chat        = "chat"
	Embeddings  = "embeddings"
	CountTokens = "count_tokens"
)

// Begin starts observing an operation; the context carries the span.
func (o *Observer) Begin(ctx context.Context, operation string, t catalog.Target, stream bool) (context.Context, *Attempt) {
	ctx, span := o.tracer.Start(ctx, operation+" "+t.Model, trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("gen_ai.operation.name", operation),
			attribute.String("gen_ai.provider.name", t.Provider.Kind),
			attribute.String("gen_ai.request.model", t.Model),
			attribute.Bool("gen_ai.request.stream", stream),
			attribute.String("headgate.provider", t.Provider.Name))
	}
	return ctx, &Attempt{o: o, ctx: ctx, span: span, operation: operation, target: t, start: time.Now()}
}

// Content notes that the client could see something; only the first time counts.
func (a *Attempt) Content() {
	if a.first == 0 {
		a.first = time.Since(a.start)
	}
}

// Reading notes what the answer told.
func (a *Attempt) Reading(r dialect.Reading) { a.reading = r }

// End records the attempt; err is nil for a complete answer.
func (a *Attempt) End(err error) {
	set := a.o.labels.of(a.operation, a.target, a.reading.Usage != nil)
	a.o.record(a, set, err)
	if a.span.IsRecording() {
		a.describe(err)
	}
	a.span.End()
	a.complain(err)
}

func (a *Attempt) describe(err error) {
	if u := a.reading.Usage; u != nil {
		a.span.SetAttributes(
			attribute.Int64("gen_ai.usage.input_tokens", u.GetInputTokens()),
			attribute.Int64("gen_ai.usage.output_tokens", u.GetOutputTokens()),
			attribute.Int64("gen_ai.usage.cache_read.input_tokens", u.GetCachedInputTokens()),
			attribute.Int64("gen_ai.usage.cache_creation.input_tokens", u.GetCacheWriteTokens()))
	}
	if a.reading.Model != "" {
		a.span.SetAttributes(attribute.String("gen_ai.response.model", a.reading.Model))
	}
	if a.first > 0 {
		a.span.SetAttributes(attribute.Float64("gen_ai.response.time_to_first_chunk", a.first.Seconds()))
	}
	if err != nil {
		a.span.SetStatus(codes.Error, errorType(err))
	}
}

// complain logs failures that an operator may have to act on.
func (a *Attempt) complain(err error) {
	if !provider.AtFault(err) {
		return
	}
	f := fault.From(err)
	attrs := []slog.Attr{
		slog.String("request_id", meta.RequestID(a.ctx)),
		slog.String("provider", a.target.Provider.Name),
		slog.String("reason", fault.Code(f.Reason)),
		slog.Duration("after", time.Since(a.start)),
	}
	if status := f.Metadata["http_status"]; status != "" {
		attrs = append(attrs, slog.String("http_status", status))
	}
	if f.Cause != nil && f.Reason != errorsv1.Reason_REASON_PROVIDER_ERROR {
		attrs = append(attrs, slog.String("cause", f.Cause.Error()))
	}
	a.o.log.LogAttrs(a.ctx, slog.LevelWarn, "attempt failed", attrs...)
}

func errorType(err error) string { return fault.Code(fault.From(err).Reason) }
