package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// incoming lets a propagator read the metadata of an incoming call.
type incoming metadata.MD

// Get returns the first value of a key.
func (c incoming) Get(key string) string {
	if v := c[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set does nothing: incoming metadata is read only.
func (incoming) Set(string, string) {}

// Keys returns none: the W3C propagator asks by name.
func (incoming) Keys() []string { return nil }

// pairs collects what a propagator writes as the key-value list that metadata.AppendToOutgoingContext takes.
type pairs struct{ list []string }

// Get returns nothing: the list is only written.
func (p *pairs) Get(string) string { return "" }

// Keys returns none.
func (p *pairs) Keys() []string { return nil }

// Set appends a key and its value.
func (p *pairs) Set(key, value string) { p.list = append(p.list, key, value) }

// AppendTrace appends the W3C trace context in ctx, if any, to a key-value list for outgoing metadata.
func AppendTrace(ctx context.Context, list []string) []string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return list
	}
	p := pairs{list: list}
	propagation.TraceContext{}.Inject(ctx, &p)
	return p.list
}
