package observe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
)

const (
	duration = "gen_ai.client.operation.duration"
	first    = "gen_ai.client.operation.time_to_first_chunk"
	tokens   = "gen_ai.client.token.usage"
)

// bench is an observer and everything it writes to.
type bench struct {
	*observe.Observer

	reader *sdkmetric.ManualReader
	spans  *tracetest.SpanRecorder
	log    *bytes.Buffer
}

func newBench(t *testing.T) *bench {
	t.Helper()
	// No limit of the SDK's own: the bound has to be the observer's.
	b := &bench{reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder(), log: &bytes.Buffer{}}
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.reader), sdkmetric.WithCardinalityLimit(0)).Meter("")
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(b.spans)).Tracer("")
	var err error
	if b.Observer, err = observe.New(slog.New(slog.NewJSONHandler(b.log, nil)), tracer, meter); err != nil {
		t.Fatal(err)
	}
	return b
}

// points are a histogram's series, as text, with how often each was recorded and the sum.
func (b *bench) points(t *testing.T, name string) (counts map[string]uint64, sums map[string]float64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := b.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	counts, sums = map[string]uint64{}, map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch h := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range h.DataPoints {
					counts[series(p.Attributes)], sums[series(p.Attributes)] = p.Count, p.Sum
				}
			case metricdata.Histogram[int64]:
				for _, p := range h.DataPoints {
					counts[series(p.Attributes)], sums[series(p.Attributes)] = p.Count, float64(p.Sum)
				}
			}
		}
	}
	return counts, sums
}

// series is what tells a time series from the others, beside what all have in common.
func series(set attribute.Set) string {
	var parts []string
	for _, kv := range set.ToSlice() {
		switch kv.Key {
		case "gen_ai.request.model", "headgate.provider", "error.type", "gen_ai.token.type":
			parts = append(parts, kv.Value.String())
		}
	}
	return strings.Join(parts, " ")
}

func target(t *testing.T, provider, model string) catalog.Target {
	t.Helper()
	a, err := openai.New(adapter.Config{Name: provider, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	return catalog.Target{Provider: a, Model: model}
}

func counted(in, out int64) dialect.Reading {
	return dialect.Reading{Model: "gpt-5-2025", Usage: &llmv1.TokenUsage{InputTokens: in, OutputTokens: out}}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, a := b.Begin(t.Context(), observe.Chat, target(t, "acme", "gpt-5"), true)
	a.Content()
	a.Content()
	a.Reading(counted(3, 5))
	a.End(nil)
	for name, want := range map[string]map[string]uint64{
		duration: {"gpt-5 acme": 1}, first: {"gpt-5 acme": 1}, tokens: {"gpt-5 input acme": 1, "gpt-5 output acme": 1},
	} {
		if counts, _ := b.points(t, name); fmt.Sprint(counts) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", name, counts, want)
		}
	}
	if _, sums := b.points(t, tokens); sums["gpt-5 input acme"] != 3 || sums["gpt-5 output acme"] != 5 {
		t.Errorf("tokens: %v", sums)
	}
	if b.log.Len() > 0 {
		t.Errorf("log: %s", b.log)
	}
	span := b.spans.Ended()[0]
	if span.Name() != "chat gpt-5" || span.Status().Code == codes.Error {
		t.Errorf("span %s, %v", span.Name(), span.Status())
	}
	said := attribute.NewSet(span.Attributes()...)
	for key, want := range map[attribute.Key]string{
		"gen_ai.usage.input_tokens": "3", "gen_ai.usage.output_tokens": "5", "gen_ai.response.model": "gpt-5-2025",
		"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", "gen_ai.request.stream": "true", "headgate.provider": "acme",
	} {
		if got, ok := said.Value(key); !ok || got.String() != want {
			t.Errorf("%s is %q, want %q", key, got.String(), want)
		}
	}
}

// TestZeroIsACount: a provider that reports zero tokens has reported; one that reports nothing hasn't.
func TestZeroIsACount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, a := b.Begin(t.Context(), observe.Chat, target(t, "acme", "m"), false)
	a.Reading(counted(0, 0))
	a.End(nil)
	_, a = b.Begin(t.Context(), observe.Chat, target(t, "acme", "m"), false)
	a.End(nil)
	if counts, _ := b.points(t, tokens); counts["m input acme"] != 1 || counts["m output acme"] != 1 || len(counts) != 2 {
		t.Errorf("%v", counts)
	}
	if counts, _ := b.points(t, first); len(counts) != 0 {
		t.Errorf("time to first chunk without content: %v", counts)
	}
}

func TestFailed(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial tcp 10.0.0.1: refused")
	cases := []struct {
		name   string
		err    error
		kind   string
		logged []string
	}{
		{
			"the provider's fault", fault.New(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, "no").Because(secret), "PROVIDER_UNREACHABLE",
			[]string{`"request_id":"req_1"`, `"provider":"acme"`, `"reason":"PROVIDER_UNREACHABLE"`, `"cause":"dial tcp`},
		},
		{
			"the provider's status", fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "no").With("http_status", "503"), "PROVIDER_ERROR",
			[]string{`"http_status":"503"`},
		},
		{"the caller's fault", fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "no").With("http_status", "400"), "PROVIDER_ERROR", nil},
		{"the caller left", context.Canceled, "CANCELLED", nil},
		{"a defect", errors.New("x"), "INTERNAL", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			_, a := b.Begin(meta.WithRequestID(t.Context(), "req_1"), observe.Chat, target(t, "acme", "m"), false)
			a.End(c.err)
			if counts, _ := b.points(t, duration); counts[c.kind+" _OTHER acme"] != 1 || len(counts) != 1 {
				t.Errorf("%v, want one of %s", counts, c.kind)
			}
			if status := b.spans.Ended()[0].Status(); status.Code != codes.Error || status.Description != c.kind {
				t.Errorf("span %v", status)
			}
			if (b.log.Len() > 0) != (c.logged != nil) {
				t.Errorf("log: %s", b.log)
			}
			for _, part := range c.logged {
				if !strings.Contains(b.log.String(), part) {
					t.Errorf("log %s lacks %s", b.log, part)
				}
			}
		})
	}
}

// TestModelsAreBounded: a client chooses the model's name, and must not be able to make time series of it.
func TestModelsAreBounded(t *testing.T) {
	t.Parallel()
	const names = 10_000
	for name, reading := range map[string]dialect.Reading{"answered": counted(1, 1), "never answered": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, p := newBench(t), target(t, "acme", "")
			observer := observerWithoutSpans(t, b)
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					for i := w; i < names; i += 8 {
						_, a := observer.Begin(t.Context(), observe.Chat, catalog.Target{Provider: p.Provider, Model: fmt.Sprint("model-", i)}, false)
						a.Content()
						a.Reading(reading)
						a.End(nil)
					}
				})
			}
			wg.Wait()
			counts, _ := b.points(t, duration)
			most := 500 + 8
			if reading.Usage == nil {
				most = 1
			}
			if len(counts) > most {
				t.Errorf("%d series of %d names", len(counts), names)
			}
			total := uint64(0)
			for _, n := range counts {
				total += n
			}
			if total != names || counts["_OTHER acme"] == 0 {
				t.Errorf("%d attempts recorded, %d under _OTHER", total, counts["_OTHER acme"])
			}
		})
	}
}

// observerWithoutSpans shares the bench's reader, and keeps no spans of ten thousand attempts.
func observerWithoutSpans(t *testing.T, b *bench) *observe.Observer {
	t.Helper()
	b.reader = sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.reader), sdkmetric.WithCardinalityLimit(0)).Meter("")
	o, err := observe.New(slog.New(slog.DiscardHandler), tracenoop.NewTracerProvider().Tracer(""), meter)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestKnownModelKeepsItsSeries: once a provider has answered for a name, its failures count under the name.
func TestKnownModelKeepsItsSeries(t *testing.T) {
	t.Parallel()
	b, to := newBench(t), target(t, "acme", "gpt-5")
	for _, r := range []dialect.Reading{{}, counted(1, 1), {}} {
		_, a := b.Begin(t.Context(), observe.Chat, to, false)
		a.Reading(r)
		a.End(nil)
	}
	if counts, _ := b.points(t, duration); counts["_OTHER acme"] != 1 || counts["gpt-5 acme"] != 2 {
		t.Errorf("%v", counts)
	}
}

// TestFirstContentIsTheFirst: later content doesn't move it.
func TestFirstContentIsTheFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, a := b.Begin(t.Context(), observe.Chat, target(t, "acme", "m"), true)
	a.Content()
	<-time.After(30 * time.Millisecond)
	a.Content()
	a.Reading(counted(1, 1))
	a.End(nil)
	_, firsts := b.points(t, first)
	_, durations := b.points(t, duration)
	if f, d := firsts["m acme"], durations["m acme"]; f <= 0 || f > d-0.03 {
		t.Errorf("first content after %fs of %fs", f, d)
	}
}
