// Package fault is how Headgate reports a failure to whoever called it: a reason from errors.v1, a sentence that is safe
// to show, and the cause, which is for the log alone. Code below the edge returns plain wrapped errors or an *Error;
// one interceptor turns either into a gRPC status with [Status], and the HTTP edge reads it back with [From].
package fault

import (
	"fmt"
	"maps"
	"time"

	"google.golang.org/grpc/codes"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
)

// Domain is the ErrorInfo domain of every reason in errors.v1.
const Domain = "headgate"

// Error is one failure with a reason. Message and Metadata reach the client, so neither may hold a secret, an address
// of the mesh or a value the client sent; Cause never leaves the process. Build it with [New]; the chaining methods
// change the receiver and return it, so an Error is not safe for concurrent use until it has been returned.
type Error struct {
	// Reason says what kind of failure this is, and with it the gRPC code and the HTTP status.
	Reason errorsv1.Reason
	// Message is one sentence for the client: what is wrong and what to do about it.
	Message string
	// Metadata names the particulars that the reason's comment in errors.proto promises, such as "field".
	Metadata map[string]string
	// RetryAfter is how long the client should wait before it tries again; zero says nothing.
	RetryAfter time.Duration
	// Cause is what went wrong underneath, or nil. It is logged, never sent.
	Cause error

	// code is the gRPC code an error came with over the wire; OK means that the reason decides.
	code codes.Code
}

// New returns an Error with a formatted message.
func New(r errorsv1.Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Message: sentence(format, args)}
}

// sentence formats only when there is something to format, so that a message holding a percent sign stays as it is.
func sentence(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// With adds one metadata entry.
func (e *Error) With(key, value string) *Error {
	if e.Metadata == nil {
		e.Metadata = make(map[string]string, 2)
	}
	e.Metadata[key] = value
	return e
}

// Because records the cause.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// After tells the client how long to wait; it travels as RetryInfo.
func (e *Error) After(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// Error gives the reason, the message and the cause: a line for the log, not for the client.
func (e *Error) Error() string {
	text := Code(e.Reason) + ": " + e.Message
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// clone copies e, metadata included.
func (e *Error) clone() *Error {
	c := *e
	c.Metadata = maps.Clone(e.Metadata)
	return &c
}
