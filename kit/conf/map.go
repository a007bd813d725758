package conf

import (
	"iter"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Map is a mapping that keeps the order of the document, where the order means something to whoever wrote it. The zero
// value is empty and ready to use. It isn't safe for concurrent writing.
type Map[T any] struct {
	keys   []string
	values map[string]T
}

// Len returns the number of entries.
func (m Map[T]) Len() int { return len(m.keys) }

// Get returns the value of a key; false where there is none.
func (m Map[T]) Get(key string) (T, bool) {
	v, ok := m.values[key]
	return v, ok
}

// Keys returns the keys in the order of the document.
func (m Map[T]) Keys() []string { return slices.Clone(m.keys) }

// All yields the entries in the order of the document.
func (m Map[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, k := range m.keys {
			if !yield(k, m.values[k]) {
				return
			}
		}
	}
}

// Set replaces the value of a key in place, or appends a new entry.
func (m *Map[T]) Set(key string, value T) {
	if m.values == nil {
		m.values = make(map[string]T)
	}
	if _, ok := m.values[key]; !ok {
		m.keys = append(m.keys, key)
	}
	m.values[key] = value
}

func (m *Map[T]) decode(d *decoder, n *yaml.Node, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "has to be a mapping, not "+given(n))
		return
	}
	d.entries(n, path, func(key string, k, v *yaml.Node) {
		at := Join(path, key)
		d.doc.lines[at] = k.Line
		e := fresh(reflect.TypeFor[T]())
		d.value(v, e, at, depth+1)
		if value, ok := e.Interface().(T); ok {
			m.Set(key, value)
		}
	})
}
