package conf

import (
	"reflect"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// structure fills a struct.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string, depth int) {
	known := fieldsOf(v)
	d.entries(n, path, func(key string, k, val *yaml.Node) {
		at := Join(path, key)
		field, ok := known.byName[key]
		if !ok {
			d.fail(k, at, "unknown field"+known.advice(key))
			return
		}
		d.doc.lines[at] = k.Line
		d.value(val, field, at, depth+1)
	})
}

// fields are those of one struct, embedded ones included.
type fields struct {
	names  []string
	byName map[string]reflect.Value
}

func fieldsOf(v reflect.Value) *fields {
	f := &fields{byName: make(map[string]reflect.Value)}
	f.add(v)
	return f
}

func (f *fields) add(v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, inline := nameOf(field)
		switch {
		case name == "" || !field.IsExported():
		case inline && field.Type.Kind() == reflect.Struct:
			f.add(v.Field(i))
		default:
			f.names = append(f.names, name)
			f.byName[name] = v.Field(i)
		}
	}
}

// nameOf returns the field's name in a document; "" for one that is left out.
func nameOf(field reflect.StructField) (name string, inline bool) {
	tag, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	if tag == "-" {
		return "", false
	}
	if tag == "" {
		tag = snake(field.Name)
	}
	return tag, strings.Contains(options, "inline")
}

// snake turns MaxRecvBytes into max_recv_bytes, and APIKey into api_key.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
