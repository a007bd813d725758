package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/listen"
	"github.com/headgate-mesh/headgate/kit/peer"
)

// meshConn attaches the caller's key to every call, and makes sentences for a person of errors.
type meshConn struct {
	inner grpc.ClientConnInterface
	key   string
	to    peer.Config
}

// Invoke makes a unary call.
func (c *meshConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.explain(c.inner.Invoke(auth.WithKey(ctx, c.key), method, args, reply, opts...))
}

// NewStream opens a stream.
func (c *meshConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := c.inner.NewStream(auth.WithKey(ctx, c.key), desc, method, opts...)
	if err != nil {
		return nil, c.explain(err)
	}
	return &meshStream{ClientStream: s, conn: c}, nil
}

// meshStream is a stream of a meshConn.
type meshStream struct {
	grpc.ClientStream
	conn *meshConn
}

// RecvMsg receives one message; its good end stays io.EOF.
func (s *meshStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if errors.Is(err, io.EOF) {
		return err
	}
	return s.conn.explain(err)
}

// explain is the sentence for an error of a call to this mesh.
func (c *meshConn) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case unanswered(err):
		return &explained{text: "nothing answers for Headgate at " + c.to.Address + ": is it running? --addr takes its gRPC address" + c.overTLS(), cause: err}
	case fault.From(err).Reason == errorsv1.Reason_REASON_SERVICE_UNAVAILABLE:
		return &explained{text: "the mesh at " + c.to.Address + ": " + explain(err).Error(), cause: err}
	}
	return explain(err)
}

// overTLS says so where a call goes over TLS: a server without it doesn't answer either.
func (c *meshConn) overTLS() string {
	if c.to.CAFile == "" && (c.to.Plaintext || listen.Loopback(c.to.Address)) {
		return ""
	}
	return ", and it was asked over TLS (--plaintext, --ca)"
}

// unanswered reports whether no service of a mesh has said anything: what a service says has details.
func unanswered(err error) bool {
	s, ok := status.FromError(err)
	return ok && s.Code() == codes.Unavailable && len(s.Details()) == 0
}

// commandFor is what to type instead of the methods that the services' sentences name.
var commandFor = strings.NewReplacer(
	"ask GetBatch until ended_at is set", "headgate batch get ID tells when it has",
	"UpdateKey and expires_at", "headgate key update ID --expires TIME",
	"ListKeys", "headgate key list",
	"CreateKey", "headgate key create",
	"UpdateKey", "headgate key update",
	"RotateKey", "headgate key rotate",
	"RevokeKey", "headgate key revoke",
	"ListBatches", "headgate batch list",
	"GetBatch", "headgate batch get",
)

// explain makes a sentence for a person of an error that came from the mesh; nil stays nil. The error stays findable.
func explain(err error) error {
	var already *explained
	if err == nil || errors.As(err, &already) {
		return err
	}
	f := fault.From(err)
	text := commandFor.Replace(f.Message)
	switch field := f.Metadata["field"]; {
	case field != "" && !strings.HasPrefix(f.Message, field):
		text = field + ": " + text
	case f.Reason == errorsv1.Reason_REASON_ROUTE_NOT_FOUND:
		text = "the process there doesn't serve this; in a mesh of several processes, give the right one's address with --addr"
	}
	return &explained{text: text, cause: err}
}

// explained reads as its text alone: the cause is a status, with words for programs.
type explained struct {
	text  string
	cause error
}

// Error returns the sentence.
func (e *explained) Error() string { return e.text }

// Unwrap returns the error that came over the wire.
func (e *explained) Unwrap() error { return e.cause }
