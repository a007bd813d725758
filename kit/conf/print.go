package conf

import (
	"encoding"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Print writes a configuration as a document that [Read] takes: fields in the order of their struct, secrets redacted,
// zero values left out.
func Print(w io.Writer, v any) error {
	n := nodeOf(reflect.ValueOf(v))
	if n == nil {
		n = &yaml.Node{Kind: yaml.MappingNode}
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return err
	}
	return e.Close()
}

// printing is implemented by values that print themselves.
type printing interface{ node() *yaml.Node }

// nodeOf returns nil for what is left out.
func nodeOf(v reflect.Value) *yaml.Node {
	if !v.IsValid() || v.IsZero() {
		return nil
	}
	switch x := v.Interface().(type) {
	case printing:
		return x.node()
	case time.Duration:
		return text(short(x))
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err != nil {
			return text(err.Error())
		}
		return text(string(b))
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if n := nodeOf(v.Elem()); n != nil {
			return n
		}
		return scalarNode(v.Elem()) // a zero that was written on purpose
	case reflect.Struct:
		return structNode(v)
	case reflect.Slice, reflect.Array:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			if e := nodeOf(v.Index(i)); e != nil {
				n.Content = append(n.Content, e)
			}
		}
		return n
	case reflect.Map:
		return mapNode(v)
	}
	return scalarNode(v)
}

func structNode(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	known := fieldsOf(v)
	for _, name := range known.names {
		if value := nodeOf(known.byName[name]); value != nil {
			n.Content = append(n.Content, text(name), value)
		}
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

func mapNode(v reflect.Value) *yaml.Node {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch {
		case a.String() < b.String():
			return -1
		case a.String() > b.String():
			return 1
		}
		return 0
	})
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range keys {
		n.Content = append(n.Content, text(k.String()), orEmpty(nodeOf(v.MapIndex(k))))
	}
	return n
}

func (m Map[T]) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for k, v := range m.All() {
		n.Content = append(n.Content, text(k), orEmpty(nodeOf(reflect.ValueOf(v))))
	}
	return n
}

func orEmpty(n *yaml.Node) *yaml.Node {
	if n == nil {
		return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	}
	return n
}

func text(s string) *yaml.Node {
	n := new(yaml.Node)
	if err := n.Encode(s); err != nil { // quotes what would be read as something else
		n.SetString(s)
	}
	return n
}

func scalarNode(v reflect.Value) *yaml.Node {
	if v.Kind() == reflect.String {
		return text(strings.ReplaceAll(v.String(), "$", "$$")) // or it would be expanded again
	}
	n := new(yaml.Node)
	if err := n.Encode(v.Interface()); err != nil {
		return text(err.Error())
	}
	return n
}

// short is a duration without the zeros that time.Duration ends in.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(s) - len(zero); n > 0 && s[n:] == zero {
			s = s[:n+1]
		}
	}
	return s
}
