package ledger

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// mend replaces what isn't UTF-8 in every text of a message.
func mend(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			mendMap(v.Map(), f.MapValue())
		case f.IsList():
			mendList(v.List(), f)
		case f.Message() != nil:
			mend(v.Message())
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, text(v.String()))
		}
		return true
	})
}

func text(s string) protoreflect.Value {
	return protoreflect.ValueOfString(strings.ToValidUTF8(s, "?"))
}

func mendList(l protoreflect.List, f protoreflect.FieldDescriptor) {
	for i := range l.Len() {
		switch {
		case f.Message() != nil:
			mend(l.Get(i).Message())
		case f.Kind() == protoreflect.StringKind:
			l.Set(i, text(l.Get(i).String()))
		}
	}
}

func mendMap(m protoreflect.Map, value protoreflect.FieldDescriptor) {
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		switch {
		case value.Message() != nil:
			mend(v.Message())
			return true
		case value.Kind() == protoreflect.StringKind:
			v = text(v.String())
		}
		m.Clear(k)
		if s, ok := k.Interface().(string); ok {
			k = text(s).MapKey()
		}
		m.Set(k, v)
		return true
	})
}
