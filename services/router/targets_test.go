package router_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

func TestAttemptConfig(t *testing.T) {
	t.Parallel()
	const targets = "targets: [{provider: p, model: a, weight: 3}, {provider: p, model: b}, {provider: p, model: c, weight: 0}]"
	provider := func(fields string) string { return "providers: {p: {" + fields + "}}" }
	model := func(fields string) string {
		return provider("kind: openai, api_key: k") + "\nmodels: {m: {" + fields + "}}"
	}
	cases := []struct{ name, text, path string }{
		{"weighted", model("strategy: weighted, " + targets), ""},
		{"least loaded", model("strategy: least_loaded, targets: [{provider: p, model: a}]"), ""},
		{"weights without a use", model("strategy: failover, " + targets), "models.m.targets"},
		{"a weight below nothing", model("strategy: weighted, targets: [{provider: p, model: a, weight: -1}, {provider: p, model: b}]"), "models.m.targets"},
		{"nothing but fallbacks", model("strategy: weighted, targets: [{provider: p, model: a, weight: 0}]"), "models.m.targets"},
		{"keys only", provider("kind: openai, api_keys: [a, b]"), ""},
		{"a key and keys", provider("kind: openai, api_key: a, api_keys: [b, c]"), ""},
		{"an empty key", provider(`kind: openai, api_keys: [a, ""]`), "providers.p.api_keys"},
		{"a key twice", provider("kind: openai, api_key: canary, api_keys: [b, canary]"), "providers.p.api_keys"},
		{"no keys", provider("kind: openai, api_keys: []"), "providers.p.api_key"},
		{"health checks", provider(`kind: vllm, endpoints: ["http://127.0.0.1:1"], health_check: {interval: 1s, timeout: 500ms, path: /ping}`), ""},
		{"no health checks", provider(`kind: tgi, endpoints: ["http://127.0.0.1:1"], health_check: {interval: 0s}`), ""},
		{"health checks too often", provider(`kind: tgi, endpoints: ["http://127.0.0.1:1"], health_check: {interval: 1ms}`), "providers.p.health_check"},
		{"health checks of a vendor", provider("kind: openai, api_key: k, health_check: {interval: 1s}"), "providers.p.health_check"},
		{"a path of no path", provider(`kind: vllm, endpoints: ["http://127.0.0.1:1"], health_check: {path: health}`), "providers.p.health_check.path"},
		{"a path for gRPC", provider(`kind: grpc, endpoints: ["http://127.0.0.1:1"], health_check: {path: /health}`), "providers.p.health_check.path"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := read(c.text)
			switch {
			case c.path == "" && err != nil:
				t.Error(err)
			case c.path != "" && (err == nil || !strings.Contains(err.Error(), c.path+":")):
				t.Errorf("%v doesn't name %s", err, c.path)
			case err != nil && strings.Contains(err.Error(), "canary"):
				t.Errorf("%v tells a key", err)
			}
		})
	}
}

const answer = `{"id":"c","model":"m","choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}`

func ask(t *testing.T, server routerv1.RouterServiceServer, model string) (*routerv1.ChatResponse, error) {
	t.Helper()
	return server.Chat(t.Context(), &routerv1.ChatRequest{Model: model, Prompt: &llmv1.Prompt{Messages: []*llmv1.Message{{
		Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: "Hi"}}}},
	}}}})
}

func listed(t *testing.T, server routerv1.RouterServiceServer) map[string]*routerv1.Target {
	t.Helper()
	got, err := server.ListTargets(t.Context(), &routerv1.ListTargetsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	targets := make(map[string]*routerv1.Target)
	for _, target := range got.GetTargets() {
		targets[target.GetProvider()+"/"+target.GetUpstreamModel()] = target
	}
	return targets
}

// TestKeysFromTheFile: the second key takes over at once, and ListTargets tells.
func TestKeysFromTheFile(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer spent" {
			w.WriteHeader(http.StatusPaymentRequired)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(web.Close)
	server := start(t, parse(t, `
providers: {p: {kind: openai, api_key: spent, api_keys: [good], base_url: "`+web.URL+`"}}
models: {x: {strategy: weighted, targets: [{provider: p, model: m, weight: 7}]}}
`))["headgate.router.v1.RouterService"].(routerv1.RouterServiceServer)
	if target := listed(t, server)["p/m"]; target.GetBreaker() != routerv1.BreakerState_BREAKER_STATE_UNSPECIFIED || target.GetKeys() != 2 || target.GetWeight() != 7 || target.Healthy != nil {
		t.Errorf("before: %v", target)
	}
	for _, want := range []int32{2, 1} {
		got, err := ask(t, server, "x")
		if err != nil || got.GetServed().GetAttempts() != want {
			t.Fatalf("%v, %v, want %d attempts", got.GetServed(), err, want)
		}
	}
	for name, target := range listed(t, server) {
		if target.GetKeysCooling() != 1 || target.GetKeys() != 2 {
			t.Errorf("%s: %v", name, target)
		}
	}
	if got := listed(t, server)["p/m"].GetBreaker(); got != routerv1.BreakerState_BREAKER_STATE_CLOSED {
		t.Errorf("breaker %v", got)
	}
}

// TestBreakerFromOutside: a target that fails is spared, ListTargets and the metrics tell, and a health check that fails
// sends calls elsewhere, too.
func TestBreakerFromOutside(t *testing.T) {
	t.Parallel()
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(bad.Close)
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	t.Cleanup(good.Close)
	reader := sdkmetric.NewManualReader()
	d := deps()
	d.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("")
	server := startWith(t, parse(t, `
providers:
  bad: {kind: openai, api_key: k, base_url: "`+bad.URL+`"}
  good: {kind: openai, api_key: k, base_url: "`+good.URL+`"}
  sick: {kind: vllm, endpoints: ["`+bad.URL+`"], health_check: {interval: 100ms}}
models:
  x: {targets: [{provider: bad, model: m}, {provider: good, model: m}]}
  y: {targets: [{provider: sick, model: m}, {provider: good, model: m}]}
`), d)["headgate.router.v1.RouterService"].(routerv1.RouterServiceServer)
	for range 20 {
		if got, err := ask(t, server, "x"); err != nil || got.GetServed().GetAttempts() != 2 {
			t.Fatalf("%v, %v", got.GetServed(), err)
		}
	}
	if got, err := ask(t, server, "x"); err != nil || got.GetServed().GetAttempts() != 1 {
		t.Errorf("%v, %v: the first one isn't spared", got.GetServed(), err)
	}
	target := listed(t, server)["bad/m"]
	if target.GetBreaker() != routerv1.BreakerState_BREAKER_STATE_OPEN || time.Until(target.GetBreakerUntil().AsTime()) < 4*time.Second {
		t.Errorf("%v", target)
	}
	for deadline := time.Now().Add(10 * time.Second); listed(t, server)["sick/m"].Healthy == nil; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no health check")
		}
	}
	if got, err := ask(t, server, "y"); err != nil || got.GetServed().GetAttempts() != 1 || listed(t, server)["sick/m"].GetHealthy() {
		t.Errorf("%v, %v: the sick one was asked", got.GetServed(), err)
	}
	want := map[string]int64{
		"headgate.target.breaker_state bad": 2, "headgate.target.breaker_state good": 0, "headgate.target.breaker_state sick": 0,
		"headgate.provider.keys_cooling bad": 0, "headgate.provider.keys_cooling good": 0, "headgate.provider.healthy sick": 0,
	}
	got := gauges(t, reader)
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s is %d (%t), want %d", name, v, ok, value)
		}
	}
}

// gauges reads the gauges of targets and providers, by name and provider.
func gauges(t *testing.T, reader *sdkmetric.ManualReader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			gauge, ok := m.Data.(metricdata.Gauge[int64])
			if !ok {
				continue
			}
			for _, point := range gauge.DataPoints {
				provider, _ := point.Attributes.Value("headgate.provider")
				got[m.Name+" "+provider.AsString()] = point.Value
			}
		}
	}
	return got
}

// TestTimersNameTheTarget: failures name their timer, target and number.
func TestTimersNameTheTarget(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(web.Close)
	server := start(t, parse(t, `providers: {p: {kind: openai, api_key: k, base_url: "`+web.URL+`", timeouts: {total: 20ms}}}`))["headgate.router.v1.RouterService"].(routerv1.RouterServiceServer)
	_, err := ask(t, server, "p/m")
	if err == nil || !strings.Contains(err.Error(), "the total timer ran out after 20ms at p/m, attempt 1; ") {
		t.Error(err)
	}
}
