package fault

import (
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
)

// reasonPrefix begins the name of every value of errors.v1.Reason and is left out on the wire.
const reasonPrefix = "REASON_"

// Code returns the reason as clients see it: "MODEL_NOT_FOUND".
func Code(r errorsv1.Reason) string {
	return strings.TrimPrefix(r.String(), reasonPrefix)
}

// reasonOf is the reverse of Code; false for a name this build doesn't know.
func reasonOf(name string) (errorsv1.Reason, bool) {
	n, ok := errorsv1.Reason_value[reasonPrefix+name]
	return errorsv1.Reason(n), ok
}

// GRPCCode returns the gRPC code of the error.
func (e *Error) GRPCCode() codes.Code {
	switch {
	case e.code != codes.OK:
		return e.code
	case e.Reason == errorsv1.Reason_REASON_PROVIDER_ERROR:
		return codeOfHTTP(e.providerStatus())
	}
	return codeOf(e.Reason)
}

// codeOf is the table from reason to gRPC code.
func codeOf(r errorsv1.Reason) codes.Code {
	switch r {
	case errorsv1.Reason_REASON_INVALID_JSON, errorsv1.Reason_REASON_INVALID_FIELD,
		errorsv1.Reason_REASON_MISSING_FIELD, errorsv1.Reason_REASON_REQUEST_TOO_LARGE,
		errorsv1.Reason_REASON_TOO_DEEP, errorsv1.Reason_REASON_UNSUPPORTED_MEDIA_TYPE:
		return codes.InvalidArgument
	case errorsv1.Reason_REASON_MODEL_NOT_FOUND, errorsv1.Reason_REASON_NOT_FOUND:
		return codes.NotFound
	case errorsv1.Reason_REASON_ROUTE_NOT_FOUND, errorsv1.Reason_REASON_METHOD_NOT_ALLOWED:
		return codes.Unimplemented
	case errorsv1.Reason_REASON_UNSUPPORTED, errorsv1.Reason_REASON_PROVIDER_CREDENTIALS,
		errorsv1.Reason_REASON_PRICE_UNKNOWN:
		return codes.FailedPrecondition
	case errorsv1.Reason_REASON_MISSING_API_KEY, errorsv1.Reason_REASON_INVALID_API_KEY:
		return codes.Unauthenticated
	case errorsv1.Reason_REASON_PERMISSION_DENIED, errorsv1.Reason_REASON_SENSITIVITY,
		errorsv1.Reason_REASON_MODEL_NOT_ALLOWED, errorsv1.Reason_REASON_EXCEEDS_OWN_RIGHTS,
		errorsv1.Reason_REASON_REFUSED_BY_RULE:
		return codes.PermissionDenied
	case errorsv1.Reason_REASON_RATE_LIMITED, errorsv1.Reason_REASON_LARGER_THAN_LIMIT,
		errorsv1.Reason_REASON_BUDGET_EXHAUSTED:
		return codes.ResourceExhausted
	case errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, errorsv1.Reason_REASON_PROVIDER_MALFORMED,
		errorsv1.Reason_REASON_STREAM_TRUNCATED, errorsv1.Reason_REASON_OVERLOADED,
		errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, errorsv1.Reason_REASON_PROVIDER_ERROR,
		errorsv1.Reason_REASON_USAGE_LOG_FULL:
		return codes.Unavailable
	case errorsv1.Reason_REASON_TIMEOUT, errorsv1.Reason_REASON_REQUEST_TOO_SLOW:
		return codes.DeadlineExceeded
	case errorsv1.Reason_REASON_CANCELLED:
		return codes.Canceled
	default:
		return codes.Internal
	}
}

// HTTPStatus returns the HTTP status of the error. A PROVIDER_ERROR keeps the provider's own (metadata http_status).
func (e *Error) HTTPStatus() int {
	switch e.Reason {
	case errorsv1.Reason_REASON_INVALID_JSON, errorsv1.Reason_REASON_INVALID_FIELD,
		errorsv1.Reason_REASON_MISSING_FIELD, errorsv1.Reason_REASON_TOO_DEEP, errorsv1.Reason_REASON_UNSUPPORTED:
		return http.StatusBadRequest
	case errorsv1.Reason_REASON_REQUEST_TOO_LARGE:
		return http.StatusRequestEntityTooLarge
	case errorsv1.Reason_REASON_REQUEST_TOO_SLOW:
		return http.StatusRequestTimeout
	case errorsv1.Reason_REASON_MODEL_NOT_FOUND, errorsv1.Reason_REASON_ROUTE_NOT_FOUND, errorsv1.Reason_REASON_NOT_FOUND:
		return http.StatusNotFound
	case errorsv1.Reason_REASON_METHOD_NOT_ALLOWED:
		return http.StatusMethodNotAllowed
	case errorsv1.Reason_REASON_UNSUPPORTED_MEDIA_TYPE:
		return http.StatusUnsupportedMediaType
	case errorsv1.Reason_REASON_MISSING_API_KEY, errorsv1.Reason_REASON_INVALID_API_KEY:
		return http.StatusUnauthorized
	case errorsv1.Reason_REASON_PERMISSION_DENIED, errorsv1.Reason_REASON_SENSITIVITY,
		errorsv1.Reason_REASON_MODEL_NOT_ALLOWED, errorsv1.Reason_REASON_EXCEEDS_OWN_RIGHTS,
		errorsv1.Reason_REASON_REFUSED_BY_RULE, errorsv1.Reason_REASON_PRICE_UNKNOWN:
		return http.StatusForbidden
	case errorsv1.Reason_REASON_RATE_LIMITED, errorsv1.Reason_REASON_LARGER_THAN_LIMIT,
		errorsv1.Reason_REASON_BUDGET_EXHAUSTED:
		return http.StatusTooManyRequests
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		return e.providerStatus()
	case errorsv1.Reason_REASON_PROVIDER_CREDENTIALS, errorsv1.Reason_REASON_PROVIDER_UNREACHABLE,
		errorsv1.Reason_REASON_PROVIDER_MALFORMED, errorsv1.Reason_REASON_STREAM_TRUNCATED:
		return http.StatusBadGateway
	case errorsv1.Reason_REASON_TIMEOUT:
		return http.StatusGatewayTimeout
	case errorsv1.Reason_REASON_CANCELLED:
		return StatusClientClosedRequest
	case errorsv1.Reason_REASON_OVERLOADED, errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, errorsv1.Reason_REASON_USAGE_LOG_FULL:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// StatusClientClosedRequest is what nginx writes for a client that left; net/http has no name for it.
const StatusClientClosedRequest = 499

// MetadataHTTPStatus is the metadata entry that holds a provider's own HTTP status.
const MetadataHTTPStatus = "http_status"

// providerStatus reads http_status, or 502 where it is absent or no error status.
func (e *Error) providerStatus() int {
	n, err := strconv.Atoi(e.Metadata[MetadataHTTPStatus])
	if err != nil || n < 400 || n > 599 {
		return http.StatusBadGateway
	}
	return n
}

// codeOfHTTP is the gRPC code of a provider's HTTP status.
func codeOfHTTP(status int) codes.Code {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return codes.FailedPrecondition // it concerns Headgate's credential, never the caller's
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	}
	if status < http.StatusInternalServerError {
		return codes.InvalidArgument
	}
	return codes.Unavailable
}

// Retryable reports whether the same request, sent again by the client, may succeed. A budget begins anew, but not within
// the patience of any client.
func (e *Error) Retryable() bool {
	switch e.Reason {
	case errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, errorsv1.Reason_REASON_PROVIDER_MALFORMED,
		errorsv1.Reason_REASON_STREAM_TRUNCATED, errorsv1.Reason_REASON_TIMEOUT,
		errorsv1.Reason_REASON_OVERLOADED, errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
		errorsv1.Reason_REASON_RATE_LIMITED:
		return true
	case errorsv1.Reason_REASON_BUDGET_EXHAUSTED:
		return false
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		return retryableHTTP(e.providerStatus())
	default:
		return e.RetryAfter > 0
	}
}

// retryableHTTP follows what the OpenAI and Anthropic SDKs retry: 408, 409, 429 and everything from 500 up.
func retryableHTTP(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}
