package conf

import (
	"encoding"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v4"
)

const (
	// maxNodes bounds what a document may expand to through aliases; a large real one has hundreds of values.
	maxNodes = 20_000
	// maxDepth bounds nesting, aliases that contain themselves included.
	maxDepth = 64
)

// decoder walks a document and a value side by side and collects what doesn't fit.
type decoder struct {
	doc       *Document
	problems  Problems
	budget    int
	exhausted bool
}

func (d *decoder) fail(n *yaml.Node, path, text string) {
	d.problems = append(d.problems, Problem{File: d.doc.name, Line: n.Line, Path: path, Text: text})
}

// selfDecoding is implemented by the ordered map.
type selfDecoding interface {
	decode(d *decoder, n *yaml.Node, path string, depth int)
}

// defaulting is implemented by elements that have defaults.
type defaulting interface{ SetDefaults() }

// value decodes one node into v. An empty node leaves v as it is.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n = d.enter(n, path, depth); n == nil {
		return
	}
	if v.Kind() == reflect.Pointer {
		d.pointer(n, v, path, depth)
		return
	}
	if self, ok := v.Addr().Interface().(selfDecoding); ok {
		self.decode(d, n, path, depth)
		return
	}
	if n.Kind == yaml.ScalarNode {
		d.scalar(n, v, path)
		return
	}
	d.collection(n, v, path, depth)
}

// enter follows an alias and notes the line; nil means that there is nothing (more) to decode.
func (d *decoder) enter(n *yaml.Node, path string, depth int) *yaml.Node {
	if _, seen := d.doc.lines[path]; !seen {
		d.doc.lines[path] = n.Line
	}
	if d.budget--; d.budget < 0 || depth > maxDepth {
		d.exhaust(n, path)
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return d.enter(n.Alias, path, depth+1)
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return n
}

// exhaust reports, once, that the document is larger than a configuration can be, and ends the walk.
func (d *decoder) exhaust(n *yaml.Node, path string) {
	if !d.exhausted {
		d.fail(n, path, "is nested too deep, or grows too large through aliases")
	}
	d.exhausted, d.budget = true, 0
}

func (d *decoder) pointer(n *yaml.Node, v reflect.Value, path string, depth int) {
	if v.IsNil() {
		v.Set(fresh(v.Type().Elem()).Addr())
	}
	d.value(n, v.Elem(), path, depth+1)
}

// fresh returns a new addressable value with its defaults.
func fresh(t reflect.Type) reflect.Value {
	p := reflect.New(t)
	if def, ok := p.Interface().(defaulting); ok {
		def.SetDefaults()
	}
	return p.Elem()
}

// collection decodes a mapping or a sequence.
func (d *decoder) collection(n *yaml.Node, v reflect.Value, path string, depth int) {
	switch mapping := n.Kind == yaml.MappingNode; {
	case mapping && v.Kind() == reflect.Struct:
		d.structure(n, v, path, depth)
	case mapping && v.Kind() == reflect.Map:
		d.dictionary(n, v, path, depth)
	case !mapping && v.Kind() == reflect.Slice:
		d.list(n, v, path, depth)
	case v.Kind() == reflect.Interface && v.NumMethod() == 0:
		d.anything(n, v, path, depth)
	default:
		d.fail(n, path, "has to be "+wanted(v)+", not "+given(n))
	}
}

// list replaces a slice.
func (d *decoder) list(n *yaml.Node, v reflect.Value, path string, depth int) {
	out := reflect.MakeSlice(v.Type(), 0, len(n.Content))
	for i, item := range n.Content {
		e := fresh(v.Type().Elem())
		d.value(item, e, path+"["+strconv.Itoa(i)+"]", depth+1)
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

// dictionary adds to a map, which has strings as keys.
func (d *decoder) dictionary(n *yaml.Node, v reflect.Value, path string, depth int) {
	if v.Type().Key().Kind() != reflect.String {
		d.fail(n, path, "can't be decoded into "+v.Type().String())
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	d.entries(n, path, func(key string, k, val *yaml.Node) {
		e := fresh(v.Type().Elem())
		d.doc.lines[Join(path, key)] = k.Line
		d.value(val, e, Join(path, key), depth+1)
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), e)
	})
}

// entries yields the pairs of a mapping in order, and reports keys that aren't plain text or come twice.
func (d *decoder) entries(n *yaml.Node, path string, yield func(key string, k, v *yaml.Node)) {
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Value == "" {
			d.fail(k, path, "has a key that isn't plain text")
			continue
		}
		if first, twice := seen[k.Value]; twice {
			d.fail(k, Join(path, k.Value), "is given twice, first on line "+strconv.Itoa(first))
			continue
		}
		seen[k.Value] = k.Line
		yield(k.Value, k, v)
	}
}

// anything decodes into an empty interface: map[string]any, []any, string, bool, int64, float64 or nil.
func (d *decoder) anything(n *yaml.Node, v reflect.Value, path string, depth int) {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any)
		d.dictionary(n, reflect.ValueOf(&m).Elem(), path, depth)
		v.Set(reflect.ValueOf(m))
	case yaml.SequenceNode:
		var s []any
		d.list(n, reflect.ValueOf(&s).Elem(), path, depth)
		v.Set(reflect.ValueOf(s))
	}
}

// asText returns how a value reads itself from text, or nil.
func asText(v reflect.Value) encoding.TextUnmarshaler {
	u, _ := v.Addr().Interface().(encoding.TextUnmarshaler)
	return u
}

// wanted names what a value is given as.
func wanted(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	}
	return "a single value"
}

// given names what a node is.
func given(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}
