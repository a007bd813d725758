// Package mutant changes JSON texts as providers and clients to come might change them: members that are new, gone, null
// or of another kind. It is for tests.
package mutant

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
)

// Words are what a dialect's texts are made of.
type Words struct {
	// Names are those of members, Values the strings that mean something.
	Names, Values []string
}

// Body returns a JSON text that is changed in a few places, always the same for a seed.
func (w Words) Body(text string, seed uint64) []byte {
	m := mutator{rand.New(rand.NewPCG(seed, 1)), w} //nolint:gosec // the same again for the same seed
	var root any
	if json.Unmarshal([]byte(text), &root) != nil {
		return []byte(text)
	}
	for range 1 + m.IntN(4) {
		root = m.change(root)
	}
	out, err := json.Marshal(root)
	if err != nil {
		return []byte(text)
	}
	return out
}

// Lines changes, leaves out and repeats the lines of a stream, but for the first.
func (w Words) Lines(stream string, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // as above
	var out []byte
	for i, line := range strings.Split(stream, "\n") {
		switch n := r.IntN(16); {
		case i == 0 || n > 4:
		case n == 0:
			continue
		case n == 1:
			out = append(append(out, line...), '\n')
		default:
			line = string(w.Body(line, r.Uint64()))
		}
		out = append(append(out, line...), '\n')
	}
	return out
}

type mutator struct {
	*rand.Rand
	Words
}

// change changes a value somewhere within.
func (m mutator) change(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return m.object(v)
	case []any:
		return m.array(v)
	}
	return m.value()
}

func (m mutator) object(v map[string]any) any {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	switch {
	case len(names) == 0 || m.IntN(12) == 0:
		v[m.name()] = m.value()
	case m.IntN(12) == 0:
		delete(v, names[m.IntN(len(names))])
	case m.IntN(12) == 0:
		v[m.name()] = v[names[m.IntN(len(names))]]
	default:
		name := names[m.IntN(len(names))]
		v[name] = m.change(v[name])
	}
	return v
}

func (m mutator) array(v []any) any {
	switch {
	case len(v) == 0 || m.IntN(12) == 0:
		return append(v, m.value())
	case m.IntN(12) == 0:
		return append(v, v[m.IntN(len(v))])
	case m.IntN(12) == 0:
		return slices.Delete(v, 0, 1)
	}
	i := m.IntN(len(v))
	v[i] = m.change(v[i])
	return v
}

func (m mutator) name() string { return m.Names[m.IntN(len(m.Names))] }

func (m mutator) value() any {
	switch m.IntN(12) {
	case 0:
		return nil
	case 1:
		return m.IntN(5) - 1
	case 2:
		return m.Float64() * 3
	case 3:
		return m.IntN(2) == 0
	case 4:
		return []any{}
	case 5:
		return map[string]any{}
	case 6:
		return []any{m.value()}
	case 7:
		return map[string]any{m.name(): m.value()}
	case 8:
		return json.Number("12345678901234567890.50")
	}
	return m.Values[m.IntN(len(m.Values))]
}
