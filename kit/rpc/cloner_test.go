package rpc

import (
	"bytes"
	"testing"

	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

func shareRelay(m proto.Message) bool {
	_, ok := m.(*routerv1.RelayResponse)
	return ok
}

func TestSharedMessageKeepsItsBytesAndUnknownFields(t *testing.T) {
	t.Parallel()
	c := &cloner{share: shareRelay}
	in := &routerv1.RelayResponse{Data: []byte("frame"), Head: &routerv1.RelayHead{Status: 200}}
	in.ProtoReflect().SetUnknown(protoreflect.RawFields{0xf8, 0x07, 0x01})
	for name, sent := range map[string]func() (any, error){
		"unary":  func() (any, error) { return in, nil },
		"stream": func() (any, error) { return c.Clone(in) },
	} {
		message, err := sent()
		if err != nil {
			t.Fatal(err)
		}
		out := &routerv1.RelayResponse{Trailer: &routerv1.RelayTrailer{}}
		if err := c.Copy(out, message); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(in, out) || &in.Data[0] != &out.Data[0] || in.Head != out.Head || in == out {
			t.Errorf("%s: got %v", name, out)
		}
	}
}

func TestOtherMessagesAreCopied(t *testing.T) {
	t.Parallel()
	c := &cloner{share: shareRelay}
	in := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte("abc")}}
	clone, err := c.Clone(in)
	if err != nil {
		t.Fatal(err)
	}
	in.Payload.Body[0] = 'X'
	var out testpb.SimpleRequest
	if err := c.Copy(&out, clone); err != nil || !bytes.Equal(out.GetPayload().GetBody(), []byte("abc")) {
		t.Errorf("got %v, %v", &out, err)
	}
}

func TestWrongTypesAreErrors(t *testing.T) {
	t.Parallel()
	c := &cloner{}
	if err := c.Copy(&testpb.Empty{}, &testpb.SimpleRequest{}); err == nil {
		t.Error("another message is accepted")
	}
	if err := c.Copy(&testpb.Empty{}, "text"); err == nil {
		t.Error("text is accepted")
	}
	if err := c.Copy("text", &testpb.Empty{}); err == nil {
		t.Error("text is filled")
	}
	if _, err := c.Clone(1); err == nil {
		t.Error("a number is cloned")
	}
}
