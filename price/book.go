package price

import (
	"slices"
	"strings"
)

// book is the prices of one kind of provider.
type book struct {
	exact map[string]*Entry
	// begins has patterns without their star; lengths are theirs, longest first.
	begins  map[string]*Entry
	lengths []int
}

func newBook() *book {
	return &book{exact: make(map[string]*Entry), begins: make(map[string]*Entry)}
}

// add notes an entry under one name or pattern; false where the name is taken.
func (b *book) add(name string, e *Entry) bool {
	names := b.exact
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		name, names = prefix, b.begins
		if !slices.Contains(b.lengths, len(prefix)) {
			b.lengths = append(b.lengths, len(prefix))
			slices.SortFunc(b.lengths, func(x, y int) int { return y - x })
		}
	}
	if _, taken := names[name]; taken {
		return false
	}
	names[name] = e
	return true
}

// find returns the entry of a model, or nil.
func (b *book) find(model string) *Entry {
	if e := b.exact[model]; e != nil {
		return e
	}
	if name, ok := undated(model); ok {
		if e := b.exact[name]; e != nil {
			return e
		}
	}
	for _, n := range b.lengths {
		if n <= len(model) {
			if e := b.begins[model[:n]]; e != nil {
				return e
			}
		}
	}
	return nil
}

// undated cuts the date off a snapshot's name: -2025-08-07 (OpenAI), -20250929 (Anthropic) or @20250929 (Vertex AI).
func undated(model string) (string, bool) {
	for _, shape := range [...]string{"-0000-00-00", "-00000000", "@00000000"} {
		if n := len(model) - len(shape); n > 0 && shaped(model[n:], shape) {
			return model[:n], true
		}
	}
	return "", false
}

// shaped reports whether s has a digit where shape has a zero, and is the same elsewhere.
func shaped(s, shape string) bool {
	for i := range len(shape) {
		digit := s[i] >= '0' && s[i] <= '9'
		if (shape[i] == '0') != digit || (!digit && s[i] != shape[i]) {
			return false
		}
	}
	return true
}
