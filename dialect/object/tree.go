package object

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// tree is a JSON value whose children are read when they are needed.
type tree struct {
	raw  []byte
	kind byte
	// names and kids are the members of an object, kids the elements of an array, once open.
	names [][]byte
	kids  []tree
	open  bool
	// places are the names' by name, once there are many.
	places map[string]int
}

func leaf(raw []byte) tree { return tree{raw: raw, kind: rawjson.Kind(raw)} }

func (t *tree) unfold() {
	if t.open {
		return
	}
	t.open = true
	switch t.kind {
	case 'o':
		t.names, t.kids = make([][]byte, 0, few), make([]tree, 0, few)
		_ = rawjson.Object(t.raw, maxDepth, func(m rawjson.Member) bool {
			t.set(m.Name, leaf(m.Value))
			return true
		})
	case 'a':
		rawjson.Array(t.raw, func(element []byte) bool {
			t.kids = append(t.kids, leaf(element))
			return true
		})
	}
}

// few is how many members there is room for at first.
const few = 8

func (t *tree) at(name []byte) int {
	if t.kind == 'o' {
		return t.named(name)
	}
	if i, err := strconv.Atoi(string(name)); err == nil && i >= 0 && i < len(t.kids) {
		return i
	}
	return -1
}

func (t *tree) named(name []byte) int {
	if len(t.names) <= many {
		return slices.IndexFunc(t.names, func(n []byte) bool { return bytes.Equal(n, name) })
	}
	if len(t.places) != len(t.names) {
		t.places = make(map[string]int, 2*len(t.names))
		for i, n := range t.names {
			t.places[string(n)] = i
		}
	}
	if i, ok := t.places[string(name)]; ok {
		return i
	}
	return -1
}

func (t *tree) set(name []byte, value tree) {
	switch i := t.at(name); {
	case i >= 0:
		t.kids[i] = value
	case t.kind == 'o':
		t.names, t.kids = append(t.names, name), append(t.kids, value)
		if t.places != nil {
			t.places[string(name)] = len(t.names) - 1
		}
	case string(name) == strconv.Itoa(len(t.kids)):
		t.kids = append(t.kids, value)
	}
}

func (t *tree) remove(name []byte) {
	i := t.at(name)
	if i < 0 {
		return
	}
	t.kids = slices.Delete(t.kids, i, i+1)
	if t.kind == 'o' {
		t.names, t.places = slices.Delete(t.names, i, i+1), nil
	}
}

// put sets, or with an empty value removes, what stands at a path. Objects on the way are made where they are lacking.
func (t *tree) put(path []string, value string) {
	t.unfold()
	name := []byte(path[0])
	switch i := t.at(name); {
	case len(path) == 1 && value == "":
		t.remove(name)
	case len(path) == 1:
		t.set(name, leaf([]byte(value)))
	case i >= 0 && (t.kids[i].kind == 'o' || t.kids[i].kind == 'a'):
		t.kids[i].put(path[1:], value)
	case value != "":
		inner := tree{kind: 'o', open: true}
		inner.put(path[1:], value)
		t.set(name, inner)
	}
}

func (t *tree) append(dst []byte) []byte {
	if !t.open || (t.kind != 'o' && t.kind != 'a') {
		return append(dst, t.raw...)
	}
	closing := byte(']')
	if t.kind == 'o' {
		dst, closing = append(dst, '{'), '}'
	} else {
		dst = append(dst, '[')
	}
	for i := range t.kids {
		if i > 0 {
			dst = append(dst, ',')
		}
		if t.kind == 'o' {
			dst = append(rawjson.Quote(dst, t.names[i]), ':')
		}
		dst = t.kids[i].append(dst)
	}
	return append(dst, closing)
}

// Patch returns a JSON value with extensions put over it, in the order of their paths. Extensions that aren't JSON text
// are left out.
func Patch(data []byte, extensions map[string]string) []byte {
	if len(extensions) == 0 {
		return data
	}
	root := leaf(data)
	for _, path := range slices.Sorted(maps.Keys(extensions)) {
		value := extensions[path]
		if value != "" && rawjson.Check([]byte(value), maxDepth) != nil {
			continue
		}
		if path == "" {
			return []byte(value)
		}
		root.put(split(path), value)
	}
	return root.append(make([]byte, 0, len(data)+64))
}

// split takes a path apart.
func split(path string) []string {
	if strings.IndexByte(path, '\\') < 0 {
		return strings.Split(path, ".")
	}
	var names []string
	var name strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && i+1 < len(path):
			if i++; path[i] != '0' { // the empty name has nothing to write
				name.WriteByte(path[i])
			}
		case c == '.':
			names = append(names, name.String())
			name.Reset()
		default:
			name.WriteByte(c)
		}
	}
	return append(names, name.String())
}

// Diff returns the extensions that turn predicted into actual, both JSON values: Patch(predicted, Diff(actual,
// predicted)) equals actual. It is nil where they are equal.
func Diff(actual, predicted []byte) map[string]string {
	d := differ{}
	d.compare(nil, actual, predicted)
	return d.found
}

type differ struct{ found map[string]string }

// step is the last name of a path, which is written only where there is a difference at its end.
type step struct {
	up    *step
	name  []byte
	index int
	// array says that the name is an index.
	array bool
}

func (s *step) String() string {
	if s == nil {
		return ""
	}
	name := strconv.Itoa(s.index)
	if !s.array {
		name = escape(string(s.name))
	}
	if s.up == nil {
		return name
	}
	return s.up.String() + "." + name
}

func (d *differ) note(at *step, value []byte) {
	if d.found == nil {
		d.found = make(map[string]string)
	}
	d.found[at.String()] = string(value)
}

func (d *differ) compare(at *step, actual, predicted []byte) {
	if bytes.Equal(actual, predicted) {
		return
	}
	a, p := leaf(actual), leaf(predicted)
	switch {
	case a.kind == 'o' && p.kind == 'o':
		d.objects(at, &a, &p)
	case a.kind == 'a' && p.kind == 'a':
		d.arrays(at, &a, &p)
	case !Equal(actual, predicted):
		d.note(at, actual)
	}
}

func (d *differ) objects(up *step, a, p *tree) {
	a.unfold()
	p.unfold()
	for i, name := range a.names {
		at := step{up: up, name: name}
		if j := p.named(name); j >= 0 {
			d.compare(&at, a.kids[i].raw, p.kids[j].raw)
		} else {
			d.note(&at, a.kids[i].raw)
		}
	}
	for _, name := range p.names {
		if a.named(name) < 0 {
			d.note(&step{up: up, name: name}, nil)
		}
	}
}

func (d *differ) arrays(up *step, a, p *tree) {
	a.unfold()
	p.unfold()
	if len(a.kids) != len(p.kids) {
		d.note(up, a.raw)
		return
	}
	for i := range a.kids {
		d.compare(&step{up: up, index: i, array: true}, a.kids[i].raw, p.kids[i].raw)
	}
}
