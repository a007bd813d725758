package mcp

import (
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
)

// words are the types whose values are words from a list.
var words = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[sensitivity](): oneOf(labels...),
	reflect.TypeFor[speaker]():     oneOf("user", "assistant"),
	reflect.TypeFor[group]():       oneOf(groupNames...),
	reflect.TypeFor[interval]():    oneOf(intervalNames...),
	reflect.TypeFor[moment]():      {Type: "string", Format: "date-time"},
}

func oneOf(list ...string) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, word := range list {
		s.Enum = append(s.Enum, word)
	}
	return s
}

// schemaOf is the schema of a type. It panics for a type that has none, at the start.
func schemaOf[T any]() *jsonschema.Schema {
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: words})
	if err != nil {
		panic(fmt.Sprintf("a tool's type has no schema: %v", err)) //nolint:forbidigo // a defect that every start shows
	}
	noNull(s)
	return s
}

// noNull takes null out: a field that isn't set is left out, and some clients can't read a list of types.
func noNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	for _, p := range s.Properties {
		noNull(p)
	}
	noNull(s.Items)
	noNull(s.AdditionalProperties)
}
