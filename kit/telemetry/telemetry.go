// Package telemetry sets up what every process measures: metrics for Prometheus, traces over OTLP where a collector is
// configured, and a log that holds no secrets. Nothing global is touched; providers are handed to whoever needs them.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// Scope is the name of Headgate's own instruments.
const Scope = "github.com/headgate-mesh/headgate"

// Config says what a process is and how much it traces.
type Config struct {
	// Service is the resource's service.name. Default "headgate".
	Service string
	// Version is the resource's service.version.
	Version string
	// SampleRatio is the share of new traces that are recorded, 0 to 1; a caller's decision is always followed.
	SampleRatio float64
	// Lookup reads the environment. Default os.LookupEnv.
	Lookup func(string) (string, bool)
}

// Telemetry holds the providers of one process. It is safe for concurrent use.
type Telemetry struct {
	registry   *prometheus.Registry
	meters     *sdkmetric.MeterProvider
	traces     traces
	propagator propagation.TextMapPropagator
	server     serverDurations
}

// Setup starts metrics, and traces where OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) is set.
// The caller calls Shutdown.
func Setup(ctx context.Context, c Config) (*Telemetry, error) {
	c = c.withDefaults()
	res := resource.NewSchemaless(semconv.ServiceName(c.Service), semconv.ServiceVersion(c.Version))
	t := &Telemetry{
		registry:   prometheus.NewRegistry(),
		propagator: propagation.TraceContext{},
	}
	if err := t.startMetrics(res); err != nil {
		return nil, fmt.Errorf("starting metrics: %w", err)
	}
	var err error
	if t.traces, err = startTraces(ctx, c, res); err != nil {
		return nil, errors.Join(fmt.Errorf("starting traces: %w", err), t.meters.Shutdown(ctx))
	}
	return t, nil
}

func (c Config) withDefaults() Config {
	if c.Service == "" {
		c.Service = "headgate"
	}
	if c.Lookup == nil {
		c.Lookup = os.LookupEnv
	}
	return c
}

func (t *Telemetry) startMetrics(res *resource.Resource) error {
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := t.registry.Register(c); err != nil {
			return err
		}
	}
	exporter, err := otelprom.New(otelprom.WithRegisterer(t.registry), otelprom.WithoutScopeInfo())
	if err != nil {
		return err
	}
	t.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(res))
	return t.server.init(t.meters.Meter(Scope))
}

// Registry is where every metric of the process is gathered from; package ops serves it.
func (t *Telemetry) Registry() *prometheus.Registry { return t.registry }

// MeterProvider makes instruments.
func (t *Telemetry) MeterProvider() metric.MeterProvider { return t.meters }

// Meter makes Headgate's own instruments.
func (t *Telemetry) Meter() metric.Meter { return t.meters.Meter(Scope) }

// TracerProvider makes tracers; without a collector they make spans that record nothing but keep an incoming trace
// context, so that it travels on.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.traces.provider }

// Tracer makes Headgate's own spans.
func (t *Telemetry) Tracer() trace.Tracer { return t.traces.tracer }

// Tracing reports whether spans are recorded at all.
func (t *Telemetry) Tracing() bool { return t.traces.on }

// Propagator reads and writes the W3C trace context.
func (t *Telemetry) Propagator() propagation.TextMapPropagator { return t.propagator }

// Shutdown sends what is still buffered and stops; ctx bounds the wait.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	return errors.Join(t.traces.shutdown(ctx), t.meters.Shutdown(ctx))
}
