package tests

import (
	"context"
	"encoding/hex"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// collector is a trace collector that keeps the spans it gets.
type collector struct {
	collectorv1.UnimplementedTraceServiceServer

	mu    sync.Mutex
	spans []*tracev1.Span
}

// Export implements TraceServiceServer.
func (c *collector) Export(_ context.Context, r *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// of returns the spans of a trace, by name.
func (c *collector) of(traceID string) map[string]*tracev1.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := make(map[string]*tracev1.Span)
	for _, s := range c.spans {
		if hex.EncodeToString(s.GetTraceId()) == traceID {
			found[s.GetName()] = s
		}
	}
	return found
}

// TestTraceSpansEveryHop: a caller's trace goes on through gateway, router and provider call, each span the next one's
// parent, in one process and split; no span carries the prompt.
func TestTraceSpansEveryHop(t *testing.T) {
	t.Parallel()
	const traceID, parent, prompt = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "canary-prompt-of-the-trace-test"
	for name, split := range map[string]bool{"all": false, "split": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spans := &collector{}
			addr := serveCollector(t, spans)
			m := mesh.Start(t, mesh.Options{Split: split, Env: []string{
				"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + addr, "OTEL_BSP_SCHEDULE_DELAY=50",
			}})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL("/v1/chat/completions"),
				strings.NewReader(`{"model":"gpt-5","messages":[{"role":"user","content":"`+prompt+`"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+mesh.Key)
			req.Header.Set("Traceparent", "00-"+traceID+"-"+parent+"-01")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			checkSpans(t, spans, traceID, parent, prompt)
		})
	}
}

func serveCollector(t *testing.T, c *collector) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(server, c)
	go func() { _ = server.Serve(lis) }()
	t.Cleanup(server.Stop)
	return lis.Addr().String()
}

func checkSpans(t *testing.T, c *collector, traceID, parent, prompt string) {
	t.Helper()
	var spans map[string]*tracev1.Span
	for deadline := time.Now().Add(10 * time.Second); len(spans) < 3 && time.Now().Before(deadline); {
		spans = c.of(traceID)
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	gateway, router, call := spans["POST /v1/chat/completions"], spans["headgate.router.v1.RelayService/Relay"], spans["chat gpt-5"]
	if gateway == nil || router == nil || call == nil {
		t.Fatalf("spans are missing: %v", spans)
	}
	for _, link := range []struct {
		child  *tracev1.Span
		parent string
	}{{gateway, parent}, {router, hex.EncodeToString(gateway.GetSpanId())}, {call, hex.EncodeToString(router.GetSpanId())}} {
		if got := hex.EncodeToString(link.child.GetParentSpanId()); got != link.parent {
			t.Errorf("%s hangs on %s, want %s", link.child.GetName(), got, link.parent)
		}
		if strings.Contains(link.child.String(), prompt) {
			t.Errorf("%s carries the prompt", link.child.GetName())
		}
	}
}
