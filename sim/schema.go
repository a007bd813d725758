package sim

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// schema is the part of JSON Schema that the simulator can satisfy.
type schema struct {
	Type             json.RawMessage   `json:"type"`
	Const            json.RawMessage   `json:"const"`
	Enum             []json.RawMessage `json:"enum"`
	Default          json.RawMessage   `json:"default"`
	Properties       json.RawMessage   `json:"properties"`
	Required         []string          `json:"required"`
	Items            json.RawMessage   `json:"items"`
	MinItems         int               `json:"minItems"`
	AnyOf            []json.RawMessage `json:"anyOf"`
	OneOf            []json.RawMessage `json:"oneOf"`
	AllOf            []json.RawMessage `json:"allOf"`
	Ref              string            `json:"$ref"`
	Format           string            `json:"format"`
	MinLength        int               `json:"minLength"`
	MaxLength        *int              `json:"maxLength"`
	Minimum          *float64          `json:"minimum"`
	ExclusiveMinimum *float64          `json:"exclusiveMinimum"`
	Maximum          *float64          `json:"maximum"`
}

// Bounds of what is sampled: deeper than wide only the required properties are filled, and nothing below deepest.
const (
	wide    = 3
	deepest = 12
	most    = 64       // items of an array
	enough  = 64 << 10 // bytes, after which values are null
)

// sampler builds a value that satisfies a schema.
type sampler struct {
	root json.RawMessage
}

// sample is a JSON value that satisfies the schema, its members in the schema's order.
func sample(root json.RawMessage) []byte {
	s := sampler{root: root}
	return s.value(nil, "value", root, 0)
}

func (s sampler) value(b []byte, name string, raw json.RawMessage, depth int) []byte {
	var d schema
	if depth > deepest || len(b) > enough || json.Unmarshal(raw, &d) != nil {
		return append(b, "null"...)
	}
	switch {
	case d.Ref != "":
		return s.value(b, name, s.resolve(d.Ref), depth+1)
	case len(d.Const) > 0:
		return compact(b, d.Const)
	case len(d.Enum) > 0:
		return compact(b, d.Enum[0])
	case len(d.AnyOf) > 0:
		return s.value(b, name, d.AnyOf[0], depth+1)
	case len(d.OneOf) > 0:
		return s.value(b, name, d.OneOf[0], depth+1)
	case len(d.AllOf) > 0 && len(d.Properties) == 0:
		return s.value(b, name, d.AllOf[0], depth+1)
	case len(d.Default) > 0 && string(d.Default) != "null":
		return compact(b, d.Default)
	}
	return s.typed(b, name, &d, depth)
}

func (s sampler) typed(b []byte, name string, d *schema, depth int) []byte {
	switch d.sort() {
	case "object":
		return s.object(b, d, depth)
	case "array":
		return s.array(b, name, d, depth)
	case "string":
		return appendString(b, d.text(name))
	case "boolean":
		return append(b, "true"...)
	case "integer", "number":
		return d.number(b)
	}
	return append(b, "null"...)
}

func (s sampler) object(b []byte, d *schema, depth int) []byte {
	b = append(b, '{')
	first := true
	for _, m := range members(d.Properties) {
		if depth >= wide && !slices.Contains(d.Required, m.name) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendString(b, m.name)
		b = append(b, ':')
		b = s.value(b, m.name, m.raw, depth+1)
	}
	return append(b, '}')
}

func (s sampler) array(b []byte, name string, d *schema, depth int) []byte {
	n := min(max(d.MinItems, 1), most)
	if len(d.Items) == 0 || depth >= wide {
		n = min(d.MinItems, most)
	}
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.value(b, name, d.Items, depth+1)
	}
	return append(b, ']')
}

// resolve follows a reference inside the schema, such as #/$defs/Item.
func (s sampler) resolve(ref string) json.RawMessage {
	at := s.root
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
		if part == "" {
			continue
		}
		var o object
		if json.Unmarshal(at, &o) != nil {
			return nil
		}
		at = o[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
	}
	return at
}

func compact(b []byte, raw json.RawMessage) []byte {
	var c bytes.Buffer
	if json.Compact(&c, raw) != nil {
		return append(b, "null"...)
	}
	return append(b, c.Bytes()...)
}
