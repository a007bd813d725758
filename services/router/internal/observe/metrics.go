package observe

import (
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
)

// maxLabels bounds how many provider and model pairs get time series of their own: a client chooses the model's name.
const maxLabels = 500

type metrics struct {
	duration, first, jobs metric.Float64Histogram
	tokens                metric.Int64Histogram
}

// Boundaries are those of the GenAI metrics conventions.
func seconds() metric.HistogramOption {
	return metric.WithExplicitBucketBoundaries(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
}

func tokenCounts() metric.HistogramOption {
	return metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
}

func newMetrics(meter metric.Meter) (m metrics, err error) {
	m.duration, err = meter.Float64Histogram("gen_ai.client.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of attempts at providers."), seconds())
	if err != nil {
		return m, err
	}
	m.first, err = meter.Float64Histogram("gen_ai.client.operation.time_to_first_chunk", metric.WithUnit("s"),
		metric.WithDescription("Time from sending an attempt to its first content."), seconds())
	if err != nil {
		return m, err
	}
	m.jobs, err = meter.Float64Histogram("headgate.batch.call.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of exchanges with providers' batch APIs."), seconds())
	if err != nil {
		return m, err
	}
	m.tokens, err = meter.Int64Histogram("gen_ai.client.token.usage", metric.WithUnit("{token}"),
		metric.WithDescription("Tokens that providers reported, per attempt."), tokenCounts())
	return m, err
}

// record adds one attempt to the histograms.
func (m *metrics) record(a *Attempt, l *labelSet, err error) {
	elapsed := l.plain
	if err != nil {
		elapsed = l.failed(errorType(err))
	}
	m.duration.Record(a.ctx, time.Since(a.start).Seconds(), elapsed...)
	if a.first > 0 {
		m.first.Record(a.ctx, a.first.Seconds(), l.plain...)
	}
	if u := a.reading.Usage; u != nil {
		m.tokens.Record(a.ctx, u.GetInputTokens(), l.input...)
		m.tokens.Record(a.ctx, u.GetOutputTokens(), l.output...)
	}
}

// labelSet is the ready-made attributes of one provider and model, as histograms take them.
type labelSet struct {
	base                 []attribute.KeyValue
	plain, input, output []metric.RecordOption
}

func newLabelSet(operation string, t catalog.Target, model string) *labelSet {
	base := []attribute.KeyValue{
		attribute.String("gen_ai.operation.name", operation),
		attribute.String("gen_ai.provider.name", t.Provider.Kind),
		attribute.String("gen_ai.request.model", model),
		attribute.String("headgate.provider", t.Provider.Name),
	}
	return &labelSet{
		base:   base,
		plain:  with(base),
		input:  with(base, attribute.String("gen_ai.token.type", "input")),
		output: with(base, attribute.String("gen_ai.token.type", "output")),
	}
}

func (l *labelSet) failed(errorType string) []metric.RecordOption {
	return with(l.base, attribute.String("error.type", errorType))
}

func with(base []attribute.KeyValue, extra ...attribute.KeyValue) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(slices.Concat(base, extra)...))}
}

// labels keeps label sets. Its zero value is ready.
type labels struct {
	mu   sync.RWMutex
	sets map[labelKey]*labelSet
	own  int // those of a model by itself
}

type labelKey struct{ operation, provider, model string }

// of returns the labels of an operation at a target. A model gets its own only once a provider has answered for it (known), and while
// there is room; until then it counts as _OTHER.
func (l *labels) of(operation string, t catalog.Target, known bool) *labelSet {
	key := labelKey{operation, t.Provider.Name, t.Model}
	l.mu.RLock()
	s, ok := l.sets[key]
	l.mu.RUnlock()
	if ok {
		return s
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !known || l.own >= maxLabels {
		key.model = "_OTHER"
	}
	if s, ok := l.sets[key]; ok {
		return s
	}
	if key.model == t.Model {
		l.own++
	}
	if l.sets == nil {
		l.sets = make(map[labelKey]*labelSet)
	}
	s = newLabelSet(operation, t, key.model)
	l.sets[key] = s
	return s
}
