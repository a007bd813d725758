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
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// Job is one exchange with a provider's batch API under observation. It belongs to one goroutine.
type Job struct {
	o        *Observer
	ctx      context.Context //nolint:containedctx // the span's, for exemplars and the log
	span     trace.Span
	call     string
	provider *provider.Provider
	start    time.Time
}

// Job starts observing an exchange: submit, find, get, cancel or results. The context carries the span.
func (o *Observer) Job(ctx context.Context, call string, p *provider.Provider) (context.Context, *Job) {
	ctx, span := o.tracer.Start(ctx, "batch "+call, trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("gen_ai.provider.name", p.Kind), attribute.String("headgate.provider", p.Name))
	}
	return ctx, &Job{o: o, ctx: ctx, span: span, call: call, provider: p, start: time.Now()}
}

// End records the exchange; err is nil where it went well.
func (j *Job) End(err error) {
	set := []attribute.KeyValue{attribute.String("headgate.provider", j.provider.Name), attribute.String("headgate.batch.call", j.call)}
	if err != nil {
		set = append(set, attribute.String("error.type", errorType(err)))
		j.span.SetStatus(codes.Error, errorType(err))
	}
	j.o.jobs.Record(j.ctx, time.Since(j.start).Seconds(), metric.WithAttributes(set...))
	j.span.End()
	j.complain(err)
}

// complain logs what an operator may have to act on.
func (j *Job) complain(err error) {
	if !provider.AtFault(err) {
		return
	}
	f := fault.From(err)
	attrs := []slog.Attr{
		slog.String("request_id", meta.RequestID(j.ctx)), slog.String("provider", j.provider.Name), slog.String("call", j.call),
		slog.String("reason", fault.Code(f.Reason)), slog.Duration("after", time.Since(j.start)),
	}
	if status := f.Metadata["http_status"]; status != "" {
		attrs = append(attrs, slog.String("http_status", status))
	}
	if f.Cause != nil {
		attrs = append(attrs, slog.String("cause", f.Cause.Error()))
	}
	j.o.log.LogAttrs(j.ctx, slog.LevelWarn, "asking about a batch failed", attrs...)
}

// Line counts the tokens of an answer that came by a batch: how long it took says nothing of the provider.
func (o *Observer) Line(ctx context.Context, operation string, t catalog.Target, r dialect.Reading) {
	if u := r.Usage; u != nil {
		set := o.labels.of(operation, t, true)
		o.tokens.Record(ctx, u.GetInputTokens(), set.input...)
		o.tokens.Record(ctx, u.GetOutputTokens(), set.output...)
	}
}
