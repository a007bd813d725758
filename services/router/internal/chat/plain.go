package chat

import "google.golang.org/protobuf/reflect/protoreflect"

// plain takes out what the vocabulary has no words for, wherever it is in a message.
func plain(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.Name() == "extensions" {
				m.Clear(f)
			}
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				plain(v.List().Get(i).Message())
			}
		default:
			plain(v.Message())
		}
		return true
	})
}
