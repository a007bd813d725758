package rest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// query reads the parameters of a request's URL. Unlike grpc-gateway's own parser it refuses those that the message has no
// field for: a misspelt filter would return what nobody asked for.
type query struct{ runtime.DefaultQueryParser }

// readQueries makes it the parser of every mux: grpc-gateway keeps one for all, and sets it without a lock.
var readQueries = sync.OnceFunc(func() { runtime.NewServeMux(runtime.SetQueryParameterParser(new(query))) })

// Parse implements runtime.QueryParameterParser. grpc-gateway makes a status of the error's text alone: queryProblem reads
// it.
func (q *query) Parse(m proto.Message, values url.Values, filter *utilities.DoubleArray) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		field := fieldAt(m.ProtoReflect().Descriptor(), name)
		if field == nil {
			return unknownParameter(m.ProtoReflect().Descriptor(), name)
		}
		if err := q.DefaultQueryParser.Parse(m, url.Values{name: values[name]}, filter); err != nil {
			return fmt.Errorf("%s%s must be %s", queryMark, name, described(field, len(values[name])))
		}
	}
	return nil
}

// queryMark begins the text of this parser's errors; the parameter's name follows.
const queryMark = "query parameter "

// queryProblem reads an error of this parser; nil where it is another's.
func queryProblem(message string) *fault.Error {
	said, ok := strings.CutPrefix(message, queryMark)
	if !ok {
		return nil
	}
	f := fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s", said)
	if name, _, _ := strings.Cut(said, " "); !strings.HasPrefix(said, nameless) {
		f = f.With("field", name)
	}
	return f
}

// nameless is what a parameter is called whose name isn't fit to be repeated.
const nameless = "a parameter of the request"

// fieldAt is the field that a parameter names, by the names of its JSON or of its proto; nil where there is none.
func fieldAt(m protoreflect.MessageDescriptor, name string) (field protoreflect.FieldDescriptor) {
	for part := range strings.SplitSeq(name, ".") {
		if m == nil {
			return nil
		}
		if field = m.Fields().ByTextName(part); field == nil {
			field = m.Fields().ByJSONName(part)
		}
		if field == nil {
			return nil
		}
		m = nested(field)
	}
	return field
}

// nested is the message whose fields may be named behind a field's; nil where there are none.
func nested(field protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	if field.IsList() || field.IsMap() || wellKnown(field) {
		return nil
	}
	return field.Message()
}

func wellKnown(field protoreflect.FieldDescriptor) bool {
	return field.Message() != nil && field.Message().ParentFile().Package() == "google.protobuf"
}

func unknownParameter(m protoreflect.MessageDescriptor, name string) error {
	shown, remedy := name, "; /docs lists those there are"
	if len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		shown = nameless
	}
	if near := nearest(parameters(m, ""), name); near != "" {
		remedy = "; did you mean " + near + "?"
	}
	return fmt.Errorf("%s%s is no parameter of this call%s", queryMark, shown, remedy)
}

// nearest is the parameter that was probably meant: one of a similar name, or of the same name further within.
func nearest(all []string, name string) string {
	if near := conf.Nearest(name, all); near != "" {
		return near
	}
	for _, p := range all {
		if strings.HasSuffix(p, "."+name) {
			return p
		}
	}
	return ""
}

// parameters are the names of all fields that a parameter can set.
func parameters(m protoreflect.MessageDescriptor, prefix string) (list []string) {
	for i := range m.Fields().Len() {
		field := m.Fields().Get(i)
		name := prefix + string(field.Name())
		if within := nested(field); within != nil {
			list = append(list, parameters(within, name+".")...)
		} else {
			list = append(list, name)
		}
	}
	return list
}

// described is what a parameter takes.
func described(field protoreflect.FieldDescriptor, given int) string {
	if given > 1 && !field.IsList() {
		return "given once"
	}
	switch field.Kind() {
	case protoreflect.EnumKind:
		var names []string
		for i := range field.Enum().Values().Len() {
			if v := field.Enum().Values().Get(i); v.Number() != 0 {
				names = append(names, string(v.Name()))
			}
		}
		return "one of " + strings.Join(names, ", ")
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.MessageKind:
		switch field.Message().FullName() {
		case "google.protobuf.Timestamp":
			return "a time such as 2026-11-25T00:00:00Z"
		case "google.protobuf.Duration":
			return "a time such as 60s"
		}
		return "named by its fields"
	case protoreflect.StringKind:
		return "text in UTF-8"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "a number"
	}
	return "a whole number"
}
