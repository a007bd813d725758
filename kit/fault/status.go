package fault

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
)

// GRPCStatus returns the status that travels: code, message, ErrorInfo and, where RetryAfter is set, RetryInfo. The
// cause is not in it.
func (e *Error) GRPCStatus() *status.Status {
	st := status.New(e.GRPCCode(), strings.ToValidUTF8(e.Message, "?"))
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{
		Reason:   Code(e.Reason),
		Domain:   Domain,
		Metadata: validUTF8(e.Metadata),
	}}
	if e.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	full, err := st.WithDetails(details...)
	if err != nil {
		return st
	}
	return full
}

// validUTF8 returns m with every entry fit for a protobuf string; m itself when it already is.
func validUTF8(m map[string]string) map[string]string {
	var clean map[string]string
	for k, v := range m {
		ck, cv := strings.ToValidUTF8(k, "?"), strings.ToValidUTF8(v, "?")
		if ck == k && cv == v {
			continue
		}
		if clean == nil {
			clean = (&Error{Metadata: m}).clone().Metadata
		}
		delete(clean, k)
		clean[ck] = cv
	}
	if clean == nil {
		return m
	}
	return clean
}

// Status turns any error into the status a client may see; nil gives nil. An *Error anywhere in the chain decides. A
// gRPC status error keeps its code, and its details where it has a reason of ours; without one it gains the fitting
// reason, and its message only stays where a service wrote it on purpose. A context error is CANCELLED or TIMEOUT.
// Everything else is INTERNAL with a neutral sentence.
func Status(err error) *status.Status {
	if err == nil {
		return nil
	}
	return From(err).GRPCStatus()
}

// From is the reverse of [Status]: it reads any error, including a status received over the wire, as an *Error, nil as
// nil. The error it was given is always findable in the result with errors.Is and errors.As.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var s interface{ GRPCStatus() *status.Status }
	switch {
	case errors.As(err, &s) && s.GRPCStatus().Code() != codes.OK:
		return fromStatus(s.GRPCStatus(), err)
	case errors.Is(err, context.DeadlineExceeded):
		return fromCode(codes.DeadlineExceeded, err)
	case errors.Is(err, context.Canceled):
		return fromCode(codes.Canceled, err)
	}
	return fromCode(codes.Internal, err)
}

// fromStatus reads a status: by its ErrorInfo if it has one of ours, else by its code.
func fromStatus(st *status.Status, err error) *Error {
	e := fromCode(st.Code(), err)
	if deliberate(st.Code()) {
		e.Message = st.Message()
	}
	if tooLarge(st) {
		e.Reason, e.Message = errorsv1.Reason_REASON_REQUEST_TOO_LARGE, "the message is larger than Headgate takes"
	}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			e.readInfo(d, st.Message())
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	return e
}

// tooLarge recognises gRPC's own refusal of a message; it has no other mark than its text.
func tooLarge(st *status.Status) bool {
	return st.Code() == codes.ResourceExhausted && strings.Contains(st.Message(), "message larger than max")
}

// readInfo takes reason, metadata and message over from an ErrorInfo of our domain. A reason that a newer peer knows
// and this build doesn't leaves the reason that fits the code.
func (e *Error) readInfo(info *errdetails.ErrorInfo, message string) {
	if info.GetDomain() != Domain {
		return
	}
	e.Message, e.Metadata = message, info.GetMetadata()
	if r, ok := reasonOf(info.GetReason()); ok {
		e.Reason = r
	}
}

// deliberate reports whether a status of this code was written by a service for its caller. The other codes are also
// made by the transport, whose messages hold addresses of the mesh.
func deliberate(c codes.Code) bool {
	switch c {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted,
		codes.OutOfRange, codes.PermissionDenied, codes.Unimplemented, codes.ResourceExhausted, codes.Unauthenticated:
		return true
	default:
		return false
	}
}

// fromCode gives the reason and the sentence for a bare code.
func fromCode(c codes.Code, cause error) *Error {
	r, text := reasonOfCode(c)
	return &Error{Reason: r, Message: text, Cause: cause, code: c}
}

// reasonOfCode is the table for statuses that carry no reason of ours.
func reasonOfCode(c codes.Code) (errorsv1.Reason, string) {
	switch c {
	case codes.InvalidArgument, codes.OutOfRange, codes.AlreadyExists:
		return errorsv1.Reason_REASON_INVALID_FIELD, "the request isn't valid"
	case codes.FailedPrecondition:
		return errorsv1.Reason_REASON_UNSUPPORTED, "the request can't be served in the present state"
	case codes.NotFound, codes.Unimplemented:
		return errorsv1.Reason_REASON_ROUTE_NOT_FOUND, "nothing answers to this method or path"
	case codes.Unauthenticated:
		return errorsv1.Reason_REASON_INVALID_API_KEY, "the API key isn't valid"
	case codes.PermissionDenied:
		return errorsv1.Reason_REASON_PERMISSION_DENIED, "the API key may not do this"
	case codes.ResourceExhausted, codes.Aborted:
		return errorsv1.Reason_REASON_OVERLOADED, "Headgate is at its limit; try again shortly"
	case codes.Unavailable:
		return errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "a service of Headgate can't be reached; try again shortly"
	case codes.DeadlineExceeded:
		return errorsv1.Reason_REASON_TIMEOUT, "the time for this request ran out"
	case codes.Canceled:
		return errorsv1.Reason_REASON_CANCELLED, "the request was cancelled"
	default:
		return errorsv1.Reason_REASON_INTERNAL, "something went wrong inside Headgate; the request id finds it in the log"
	}
}

// CodeOf returns the gRPC code that [Status] would give err, without building the status; nil is OK.
func CodeOf(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	return From(err).GRPCCode()
}
