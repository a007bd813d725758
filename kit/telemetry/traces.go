package telemetry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// traces is the tracing half of a Telemetry.
type traces struct {
	on       bool
	provider trace.TracerProvider
	tracer   trace.Tracer
	shutdown func(context.Context) error
}

// startTraces starts the OTLP exporter, which reads its endpoint, headers and certificates from the standard OTEL_
// variables of the process.
func startTraces(ctx context.Context, c Config, res *resource.Resource) (traces, error) {
	if !wantsTraces(c.Lookup) {
		return withoutTraces(), nil
	}
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return traces{}, err
	}
	p := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(res),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
	)
	return traces{on: true, provider: p, tracer: p.Tracer(Scope), shutdown: func(ctx context.Context) error {
		// A collector that is down leaves the provider's last export retrying for a minute; stopping the exporter ends it.
		return errors.Join(p.Shutdown(ctx), exporter.Shutdown(ctx))
	}}, nil
}

func withoutTraces() traces {
	return traces{provider: noop.NewTracerProvider(), tracer: quiet{}, shutdown: func(context.Context) error { return nil }}
}

// quiet starts no spans: an incoming trace context stays where it is, and travels on.
type quiet struct{ noop.Tracer }

// Start implements trace.Tracer.
func (quiet) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, trace.SpanFromContext(ctx)
}

func wantsTraces(lookup func(string) (string, bool)) bool {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		if v, ok := lookup(name); ok && v != "" {
			return true
		}
	}
	return false
}
