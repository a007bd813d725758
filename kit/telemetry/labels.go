package telemetry

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Labels keeps the attributes of each line of a histogram ready made: making them costs more than the record does. Its
// zero value is ready. Safe for concurrent use. Keys are few; they are never forgotten.
type Labels[K comparable] struct {
	mu   sync.RWMutex
	made map[K][]metric.RecordOption
}

// Of returns those of a key, which attributes tells the first time.
func (l *Labels[K]) Of(key K, attributes func(K) []attribute.KeyValue) []metric.RecordOption {
	l.mu.RLock()
	o, ok := l.made[key]
	l.mu.RUnlock()
	if ok {
		return o
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made == nil {
		l.made = make(map[K][]metric.RecordOption)
	}
	o = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attributes(key)...))}
	l.made[key] = o
	return o
}
