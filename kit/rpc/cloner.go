package rpc

import (
	"fmt"
	"reflect"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// cloner moves messages between the two sides of the in-process channel. A message is copied once, so that neither side
// sees what the other does to its own; messages that share names are not copied at all.
type cloner struct {
	share func(proto.Message) bool
}

// owned is a copy that is already the receiver's to keep.
type owned struct{ proto.Message }

// Clone is called by the sender of a stream's message. A message that is owned already stays as it is.
func (c *cloner) Clone(in any) (any, error) {
	if o, ok := in.(owned); ok {
		return o, nil
	}
	m, ok := in.(proto.Message)
	if !ok {
		return nil, notProto(in)
	}
	if c.shared(m) {
		return m, nil
	}
	return owned{proto.Clone(m)}, nil
}

// Copy is called by the receiver: with what Clone returned, or with the sender's own message where the call is unary.
func (c *cloner) Copy(out, in any) error {
	dst, ok := out.(proto.Message)
	if !ok {
		return notProto(out)
	}
	if o, ok := in.(owned); ok {
		return adopt(dst, o.Message)
	}
	src, ok := in.(proto.Message)
	if !ok {
		return notProto(in)
	}
	if c.shared(src) {
		return adopt(dst, src)
	}
	if err := sameType(dst, src); err != nil {
		return err
	}
	proto.Reset(dst)
	proto.Merge(dst, src)
	return nil
}

func (c *cloner) shared(m proto.Message) bool { return c.share != nil && c.share(m) }

// adopt makes dst a shallow copy of src, which is generated code's: the fields are src's own. It goes field by field because
// a message also holds a size cache that another goroutine may be writing; what is exported are the message's fields.
func adopt(dst, src proto.Message) error {
	if err := sameType(dst, src); err != nil {
		return err
	}
	proto.Reset(dst)
	to, from := reflect.ValueOf(dst).Elem(), reflect.ValueOf(src).Elem()
	for i := range to.NumField() {
		if f := to.Field(i); f.CanSet() {
			f.Set(from.Field(i))
		}
	}
	if unknown := src.ProtoReflect().GetUnknown(); len(unknown) > 0 {
		dst.ProtoReflect().SetUnknown(unknown)
	}
	return nil
}

func sameType(dst, src proto.Message) error {
	if to, from := dst.ProtoReflect().Descriptor(), src.ProtoReflect().Descriptor(); to != from {
		return status.Errorf(codes.Internal, "message is a %s, expected a %s", from.FullName(), to.FullName())
	}
	return nil
}

func notProto(m any) error {
	return fmt.Errorf("%T is not a protobuf message", m)
}
