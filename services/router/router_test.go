package router_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// registrar keeps what a service registers.
type registrar map[string]any

func (r registrar) RegisterService(d *grpc.ServiceDesc, impl any) { r[d.ServiceName] = impl }

func deps() router.Deps {
	return router.Deps{
		Logger: slog.New(slog.DiscardHandler), Tracer: tracenoop.NewTracerProvider().Tracer(""),
		Meter: metricnoop.NewMeterProvider().Meter(""), Version: "1.2.3",
	}
}

// start runs a router and returns what it registers.
func start(t *testing.T, cfg router.Config) registrar {
	t.Helper()
	return startWith(t, cfg, deps())
}

func startWith(t *testing.T, cfg router.Config, d router.Deps) registrar {
	t.Helper()
	s, err := router.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	r := registrar{}
	s.Register(r)
	return r
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	var cfg router.Config
	cfg.Providers.Set("p", router.Provider{Kind: "x", APIKey: "k"})
	if _, err := router.New(cfg, deps()); err == nil || !strings.Contains(err.Error(), "providers.p.kind") {
		t.Errorf("%v", err)
	}
}

// brokenMeter can't make histograms.
type brokenMeter struct{ metric.Meter }

func (brokenMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return nil, io.ErrUnexpectedEOF
}

func TestNewWithoutMetrics(t *testing.T) {
	t.Parallel()
	d := deps()
	d.Meter = brokenMeter{d.Meter}
	if _, err := router.New(router.Config{}, d); err == nil {
		t.Error("a router without metrics was built")
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	r := start(t, parse(t, goodConfig))
	for _, name := range []string{"headgate.router.v1.RouterService", "headgate.router.v1.RelayService"} {
		if r[name] == nil {
			t.Errorf("%s isn't served", name)
		}
	}
}

// TestTrustFromConfig: the words of the file, and what is in force without one.
func TestTrustFromConfig(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]llmv1.Sensitivity{
		"": llmv1.Sensitivity_SENSITIVITY_MEDIUM, "none": llmv1.Sensitivity_SENSITIVITY_NONE, "low": llmv1.Sensitivity_SENSITIVITY_LOW,
		"medium": llmv1.Sensitivity_SENSITIVITY_MEDIUM, "high": llmv1.Sensitivity_SENSITIVITY_HIGH, "local": llmv1.Sensitivity_SENSITIVITY_HIGH,
	} {
		cfg := parse(t, `providers: {p: {kind: openai, api_key: k, base_url: "http://127.0.0.1:1", trust: "`+word+`"}}`)
		server := start(t, cfg)["headgate.router.v1.RouterService"].(routerv1.RouterServiceServer)
		got, err := server.ListTargets(t.Context(), &routerv1.ListTargetsRequest{})
		if err != nil || got.GetTargets()[0].GetTrust() != want {
			t.Errorf("trust %q: %v, %v", word, got, err)
		}
	}
}

// TestWired: from the configuration to the provider, with the model's own timers, credential and name.
func TestWired(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Clone()
		_, _ = io.WriteString(w, `{"id":"c","model":"m","choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(provider.Close)
	cfg := parse(t, `
providers: {p: {kind: openai, api_key: own-credential, base_url: "`+provider.URL+`/v1/"}}
models: {fast: {targets: [{provider: p, model: real}]}}
`)
	server := start(t, cfg)["headgate.router.v1.RouterService"].(routerv1.RouterServiceServer)
	got, err := server.Chat(t.Context(), &routerv1.ChatRequest{Model: "fast", Prompt: &llmv1.Prompt{Messages: []*llmv1.Message{{
		Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: "Hi"}}}},
	}}}})
	if err != nil || got.GetServed().GetProvider() != "p" || got.GetServed().GetModel() != "real" {
		t.Fatalf("%v, %v", got, err)
	}
	if h := <-seen; h.Get("Authorization") != "Bearer own-credential" || h.Get("User-Agent") != "headgate/1.2.3" {
		t.Errorf("%v", h)
	}
}

// TestModelTimers: a model's timers over its provider's over the general ones over the defaults.
func TestModelTimers(t *testing.T) {
	t.Parallel()
	provider := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(provider.Close)
	cfg := parse(t, `
timeouts: {total: 60s}
providers: {p: {kind: openai, api_key: k, base_url: "`+provider.URL+`", timeouts: {total: 50ms}}}
models: {quick: {targets: [{provider: p, model: m}], timeouts: {total: 20ms}}}
`)
	server := start(t, cfg)["headgate.router.v1.RouterService"].(routerv1.RouterServiceServer)
	for model, want := range map[string]string{"quick": "20ms", "p/m": "50ms"} {
		_, err := server.Chat(t.Context(), &routerv1.ChatRequest{Model: model, Prompt: &llmv1.Prompt{Messages: []*llmv1.Message{{
			Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: "Hi"}}}},
		}}}})
		if f := fault.From(err); f == nil || f.Metadata["timer"] != "total" || f.Metadata["limit"] != want {
			t.Errorf("%s: %v, want %s", model, err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	s, err := router.New(router.Config{}, deps())
	if err != nil {
		t.Fatal(err)
	}
	if s.Validate(&routerv1.ChatRequest{}) == nil || s.Validate(&routerv1.RelayRequest{}) != nil {
		t.Error("the wrong messages are refused")
	}
}
