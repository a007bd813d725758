package telemetry

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"github.com/headgate-mesh/headgate/kit/meta"
)

// ServerDuration is the histogram of every gRPC call served, by method and code, in seconds.
const ServerDuration = "rpc.server.call.duration"

// serverDurations records ServerDuration.
type serverDurations struct {
	histogram metric.Float64Histogram
	labels    Labels[series]
}

// series is one line of the histogram. Methods are the registered ones, so there are few.
type series struct {
	method string
	code   codes.Code
}

func (d *serverDurations) init(m metric.Meter) (err error) {
	d.histogram, err = m.Float64Histogram(ServerDuration,
		metric.WithUnit("s"),
		metric.WithDescription("Duration of gRPC calls served, streams to their end."),
		metric.WithExplicitBucketBoundaries(CallBuckets()...))
	return err
}

func (d *serverDurations) record(ctx context.Context, s series, took time.Duration) {
	d.histogram.Record(ctx, took.Seconds(), d.labels.Of(s, series.attributes)...)
}

func (s series) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("rpc.method", strings.TrimPrefix(s.method, "/")),
		attribute.String("rpc.response.status_code", s.code.String()),
	}
}

// RecordServer records one served call.
func (t *Telemetry) RecordServer(ctx context.Context, method string, code codes.Code, took time.Duration) {
	t.server.record(ctx, series{method, code}, took)
}

// StartServer continues the trace that the incoming metadata names. Where traces are off the returned span is nil and the context merely
// carries the caller's trace context on. [EndServer] ends the span.
func (t *Telemetry) StartServer(ctx context.Context, method string) (context.Context, trace.Span) {
	if md := meta.Incoming(ctx); len(md[meta.TraceParent]) > 0 {
		ctx = t.propagator.Extract(ctx, incoming(md))
	}
	if !t.traces.on {
		return ctx, nil
	}
	return t.traces.tracer.Start(ctx, strings.TrimPrefix(method, "/"), trace.WithSpanKind(trace.SpanKindServer))
}

// EndServer ends a span of StartServer; a nil span is none.
func EndServer(span trace.Span, code codes.Code) {
	if span == nil {
		return
	}
	span.SetAttributes(attribute.String("rpc.response.status_code", code.String()))
	switch code {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		span.SetStatus(otelcodes.Error, code.String())
	}
	span.End()
}
