package front

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/telemetry"
)

// observer measures requests: a server span, a duration histogram, and a log line (debug for what went well, info for the
// rest: whoever failed has said why at a higher level).
type observer struct {
	log        *slog.Logger
	tracer     trace.Tracer
	propagator propagation.TraceContext
	duration   metric.Float64Histogram
	labels     telemetry.Labels[line]
}

// line is one of the histogram.
type line struct {
	method, route string
	status        int
}

func newObserver(o Options) (*observer, error) {
	duration, err := o.Meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of HTTP requests, streams to their end."),
		metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600))
	if err != nil {
		return nil, err
	}
	return &observer{log: o.Logger, tracer: o.Tracer, duration: duration}, nil
}

func (t *observer) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ctx := t.propagator.Extract(identify(w.Header(), r), propagation.HeaderCarrier(r.Header))
		route := Route(r.URL.Path)
		ctx, span := t.tracer.Start(ctx, r.Method+" "+route, trace.WithSpanKind(trace.SpanKindServer))
		s := &statusWriter{ResponseWriter: w}
		defer func() { t.end(ctx, span, r.Method, route, s, time.Since(start)) }()
		next.ServeHTTP(s, r.WithContext(ctx))
	})
}

func (t *observer) end(ctx context.Context, span trace.Span, method, route string, s *statusWriter, elapsed time.Duration) {
	status := cmp.Or(s.status, http.StatusOK) // what net/http sends for a handler that wrote nothing
	k := line{known(method), route, status}
	t.duration.Record(ctx, elapsed.Seconds(), t.labels.Of(k, line.attributes)...)
	if span.IsRecording() {
		span.SetAttributes(k.attributes()...)
	}
	span.End()
	l := level(status)
	if s.quiet {
		l = slog.LevelDebug
	}
	t.log.LogAttrs(ctx, l, "request", slog.String("request_id", meta.RequestID(ctx)),
		slog.String("method", k.method), slog.String("route", route), slog.Int("status", status), slog.Duration("took", elapsed))
}

func (l line) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("http.request.method", l.method), attribute.String("http.route", l.route),
		attribute.Int("http.response.status_code", l.status),
	}
}

func level(status int) slog.Level {
	if status >= http.StatusBadRequest {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// Route names a path for metrics: a client must not be able to make time series.
func Route(path string) string {
	if routes[path] {
		return path
	}
	for _, r := range named {
		if rest, ok := strings.CutPrefix(path, r.prefix); ok && rest != "" && (r.tail == "" || strings.HasSuffix(rest, r.tail)) {
			return r.prefix + "{id}" + r.tail
		}
	}
	return "other"
}

// routes are the paths without names in them.
var routes = func() map[string]bool {
	known := make(map[string]bool)
	for _, path := range []string{
		"/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/v1/messages/count_tokens", "/v1/models",
		"/v1/files", "/v1/batches", "/v1/messages/batches",
		"/api/v1/chat", "/api/v1/chat:stream", "/api/v1/embeddings", "/api/v1/tokens:count", "/api/v1/routes:explain",
		"/api/v1/models", "/api/v1/targets", "/api/v1/keys", "/api/v1/quota", "/api/v1/cache:invalidate", "/api/v1/cache/stats",
		"/api/v1/usage", "/api/v1/usage/events", "/api/v1/usage/totals", "/api/v1/batches",
		"/mcp", "/docs", "/openapi.json", "/healthz", "/readyz",
	} {
		known[path] = true
	}
	return known
}()

// named are the paths with a name in them, those with a tail first.
var named = []struct{ prefix, tail string }{
	{"/v1/messages/batches/", "/results"},
	{"/v1/messages/batches/", "/cancel"},
	{"/v1/messages/batches/", ""},
	{"/v1/batches/", "/cancel"},
	{"/v1/batches/", ""},
	{"/v1/files/", "/content"},
	{"/v1/files/", ""},
	{"/v1/models/", ""},
	{"/api/v1/batches/", "/results"},
	{"/api/v1/batches/", ":cancel"},
	{"/api/v1/batches/", ""},
	{"/api/v1/keys/", ":rotate"},
	{"/api/v1/keys/", ""},
}

func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions:
		return method
	}
	return "_OTHER"
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter

	status int
	// quiet says that the request was refused for want of room: a line for each would cost more than the refusal.
	quiet bool
}

// WriteHeader implements http.ResponseWriter.
func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (s *statusWriter) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(p)
}

// Flush implements http.Flusher, which grpc-gateway asks for.
func (s *statusWriter) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

// Unwrap serves http.ResponseController.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
