package telemetry

import (
	"context"

	"github.com/headgate-mesh/headgate/kit/meta"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

const traceParent = meta.TraceParent

// Carrier lets a propagator read gRPC metadata. Set replaces a value.
type Carrier metadata.MD

// Get returns the first value of a key.
func (c Carrier) Get(key string) string {
	if v := c[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set sets the only value of a key.
func (c Carrier) Set(key, value string) { c[key] = []string{value} }

// Keys returns every key.
func (c Carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}

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
