package telemetry_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/headgate-mesh/headgate/kit/telemetry"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func nothingSet(string) (string, bool) { return "", false }

func setup(t *testing.T) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Service: "test", Version: "v1", Lookup: nothingSet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tel
}

func family(t *testing.T, tel *telemetry.Telemetry, name string) *dto.MetricFamily {
	t.Helper()
	families, err := tel.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		if f.GetName() == name {
			return f
		}
		names = append(names, f.GetName())
	}
	t.Fatalf("no %s among %v", name, names)
	return nil
}

func TestServerDurationByMethodAndCode(t *testing.T) {
	t.Parallel()
	tel := setup(t)
	for range 3 {
		tel.RecordServer(t.Context(), "/a.B/C", codes.OK, 2*time.Millisecond)
	}
	tel.RecordServer(t.Context(), "/a.B/C", codes.NotFound, time.Second)
	f := family(t, tel, "rpc_server_call_duration_seconds")
	counts := make(map[string]uint64)
	for _, m := range f.GetMetric() {
		labels := make(map[string]string)
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		counts[labels["rpc_method"]+" "+labels["rpc_response_status_code"]] = m.GetHistogram().GetSampleCount()
		if got, want := len(m.GetHistogram().GetBucket()), len(telemetry.CallBuckets()); got != want && got != want+1 {
			t.Errorf("%d buckets, want %d", got, want)
		}
	}
	if len(counts) != 2 || counts["a.B/C OK"] != 3 || counts["a.B/C NotFound"] != 1 {
		t.Errorf("got %v", counts)
	}
}

func TestProcessIsMeasured(t *testing.T) {
	t.Parallel()
	tel := setup(t)
	for _, name := range []string{"go_goroutines", "process_open_fds", "target_info"} {
		family(t, tel, name)
	}
}

func TestTraceTravelsOnWithoutACollector(t *testing.T) {
	t.Parallel()
	tel := setup(t)
	in := metadata.NewIncomingContext(t.Context(), metadata.Pairs("traceparent", parent, "tracestate", "k=v"))
	ctx, span := tel.StartServer(in, "/a.B/C")
	if span != nil || tel.Tracing() {
		t.Error("a span is recorded without a collector")
	}
	telemetry.EndServer(span, codes.OK)
	got := telemetry.AppendTrace(ctx, []string{"x", "y"})
	if !slices.Equal(got, []string{"x", "y", "tracestate", "k=v", "traceparent", parent}) &&
		!slices.Equal(got, []string{"x", "y", "traceparent", parent, "tracestate", "k=v"}) {
		t.Errorf("got %q", got)
	}
	if got := telemetry.AppendTrace(t.Context(), nil); got != nil {
		t.Errorf("without a trace: %q", got)
	}
	bad := metadata.NewIncomingContext(t.Context(), metadata.Pairs("traceparent", "00-zz"))
	if ctx, _ = tel.StartServer(bad, "/a.B/C"); trace.SpanContextFromContext(ctx).IsValid() {
		t.Error("a malformed traceparent makes a trace")
	}
}

// TestTracesWithACollector: nothing needs to answer at the endpoint for calls to go on.
func TestTracesWithACollector(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = lis.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+lis.Addr().String())
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{SampleRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	in := metadata.NewIncomingContext(t.Context(), metadata.Pairs("traceparent", parent))
	ctx, span := tel.StartServer(in, "/a.B/C")
	sc := trace.SpanContextFromContext(ctx)
	if span == nil || !span.IsRecording() || sc.TraceID().String() != parent[3:35] || sc.SpanID().String() == parent[36:52] {
		t.Errorf("span %v continues nothing", sc)
	}
	telemetry.EndServer(span, codes.Internal)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_ = tel.Shutdown(ctx) // the collector is down: the error says so
}

func TestBucketsAscend(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]float64{
		"call": telemetry.CallBuckets(), "operation": telemetry.OperationBuckets(), "first token": telemetry.FirstTokenBuckets(),
		"per token": telemetry.PerTokenBuckets(), "tokens": telemetry.TokenBuckets(),
	} {
		if !slices.IsSorted(b) || len(b) != len(slices.Compact(slices.Clone(b))) {
			t.Errorf("%s: %v", name, b)
		}
	}
	if !strings.HasPrefix(telemetry.Scope, "github.com/headgate-mesh") {
		t.Error("scope")
	}
}
