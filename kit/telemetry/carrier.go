package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// incoming lets a propagator read the metadata of an incoming call without copying all of it.
type incoming struct{ ctx context.Context }

func (c incoming) Get(key string) string {
	if v := metadata.ValueFromIncomingContext(c.ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (incoming) Set(string, string) {}
func (incoming) Keys() []string     { return nil }

// pairs collects what a propagator writes as the key-value list that metadata.AppendToOutgoingContext takes.
type pairs struct{ list []string }

func (p *pairs) Get(string) string     { return "" }
func (p *pairs) Keys() []string        { return nil }
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
