package fault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// TestEveryReason: no reason may lack a code and a status, and each survives the wire.
func TestEveryReason(t *testing.T) {
	t.Parallel()
	want := map[string]struct {
		code codes.Code
		http int
	}{
		"UNSPECIFIED":            {codes.Internal, 500},
		"INVALID_JSON":           {codes.InvalidArgument, 400},
		"INVALID_FIELD":          {codes.InvalidArgument, 400},
		"MISSING_FIELD":          {codes.InvalidArgument, 400},
		"REQUEST_TOO_LARGE":      {codes.InvalidArgument, 413},
		"TOO_DEEP":               {codes.InvalidArgument, 400},
		"MODEL_NOT_FOUND":        {codes.NotFound, 404},
		"ROUTE_NOT_FOUND":        {codes.Unimplemented, 404},
		"METHOD_NOT_ALLOWED":     {codes.Unimplemented, 405},
		"UNSUPPORTED":            {codes.FailedPrecondition, 400},
		"UNSUPPORTED_MEDIA_TYPE": {codes.InvalidArgument, 415},
		"REQUEST_TOO_SLOW":       {codes.DeadlineExceeded, 408},
		"MISSING_API_KEY":        {codes.Unauthenticated, 401},
		"INVALID_API_KEY":        {codes.Unauthenticated, 401},
		"PERMISSION_DENIED":      {codes.PermissionDenied, 403},
		"SENSITIVITY":            {codes.PermissionDenied, 403},
		"PROVIDER_CREDENTIALS":   {codes.FailedPrecondition, 502},
		"PROVIDER_UNREACHABLE":   {codes.Unavailable, 502},
		"PROVIDER_MALFORMED":     {codes.Unavailable, 502},
		"PROVIDER_ERROR":         {codes.Unavailable, 502},
		"STREAM_TRUNCATED":       {codes.Unavailable, 502},
		"TIMEOUT":                {codes.DeadlineExceeded, 504},
		"CANCELLED":              {codes.Canceled, 499},
		"OVERLOADED":             {codes.Unavailable, 503},
		"SERVICE_UNAVAILABLE":    {codes.Unavailable, 503},
		"USAGE_LOG_FULL":         {codes.Unavailable, 503},
		"RATE_LIMITED":           {codes.ResourceExhausted, 429},
		"LARGER_THAN_LIMIT":      {codes.ResourceExhausted, 429},
		"BUDGET_EXHAUSTED":       {codes.ResourceExhausted, 429},
		"PRICE_UNKNOWN":          {codes.FailedPrecondition, 403},
		"MODEL_NOT_ALLOWED":      {codes.PermissionDenied, 403},
		"EXCEEDS_OWN_RIGHTS":     {codes.PermissionDenied, 403},
		"REFUSED_BY_RULE":        {codes.PermissionDenied, 403},
		"RULE_FAILED":            {codes.Internal, 500},
		"NOT_FOUND":              {codes.NotFound, 404},
		"INTERNAL":               {codes.Internal, 500},
	}
	for n := range errorsv1.Reason_name {
		r := errorsv1.Reason(n)
		w, known := want[fault.Code(r)]
		if !known {
			t.Errorf("%v has no row here: give it a code and a status", r)
			continue
		}
		e := fault.New(r, "m").With("k", "v").After(time.Minute)
		if e.GRPCCode() != w.code || e.HTTPStatus() != w.http {
			t.Errorf("%v: %v, %d, want %v, %d", r, e.GRPCCode(), e.HTTPStatus(), w.code, w.http)
		}
		back := fault.From(e.GRPCStatus().Err())
		if back.Reason != r || back.Message != "m" || back.Metadata["k"] != "v" || back.RetryAfter != time.Minute ||
			back.GRPCCode() != w.code || back.HTTPStatus() != w.http {
			t.Errorf("%v came back as %+v", r, back)
		}
	}
}

func TestProviderErrorKeepsItsStatus(t *testing.T) {
	t.Parallel()
	cases := []struct {
		status    string
		http      int
		code      codes.Code
		retryable bool
	}{
		{"400", 400, codes.InvalidArgument, false},
		{"401", 401, codes.FailedPrecondition, false},
		{"404", 404, codes.NotFound, false},
		{"409", 409, codes.Aborted, true},
		{"429", 429, codes.ResourceExhausted, true},
		{"504", 504, codes.DeadlineExceeded, true},
		{"529", 529, codes.Unavailable, true},
		{"200", 502, codes.Unavailable, true},
		{"x", 502, codes.Unavailable, true},
		{"99999", 502, codes.Unavailable, true},
	}
	for _, c := range cases {
		e := fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "m").With(fault.MetadataHTTPStatus, c.status)
		if e.HTTPStatus() != c.http || e.GRPCCode() != c.code || e.Retryable() != c.retryable {
			t.Errorf("%s: %d %v %v", c.status, e.HTTPStatus(), e.GRPCCode(), e.Retryable())
		}
	}
}

func TestFromAnyError(t *testing.T) {
	t.Parallel()
	foreign, err := status.New(codes.NotFound, "no row").WithDetails(&errdetails.ErrorInfo{Reason: "INTERNAL", Domain: "example.org"})
	if err != nil {
		t.Fatal(err)
	}
	newer, err := status.New(codes.NotFound, "said by a newer peer").WithDetails(&errdetails.ErrorInfo{Reason: "NEWER", Domain: "headgate"})
	if err != nil {
		t.Fatal(err)
	}
	own := fault.New(errorsv1.Reason_REASON_SENSITIVITY, "No.")
	cases := []struct {
		name    string
		err     error
		reason  string
		code    codes.Code
		message string // "" asks only that the original isn't quoted
	}{
		{"own", own, "SENSITIVITY", codes.PermissionDenied, "No."},
		{"own, wrapped", fmt.Errorf("while x: %w", own), "SENSITIVITY", codes.PermissionDenied, "No."},
		{"own, because of a timeout", fault.New(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, "No.").Because(context.DeadlineExceeded), "PROVIDER_UNREACHABLE", codes.Unavailable, "No."},
		{"cancelled", fmt.Errorf("x: %w", context.Canceled), "CANCELLED", codes.Canceled, ""},
		{"deadline", context.DeadlineExceeded, "TIMEOUT", codes.DeadlineExceeded, ""},
		{"unknown", errors.New("dial 10.0.0.1"), "INTERNAL", codes.Internal, ""},
		{"transport", status.Error(codes.Unavailable, "dial 10.0.0.1"), "SERVICE_UNAVAILABLE", codes.Unavailable, ""},
		{"unimplemented", status.Error(codes.Unimplemented, "method X"), "ROUTE_NOT_FOUND", codes.Unimplemented, "method X"},
		{"invalid", status.Error(codes.InvalidArgument, "bad x"), "INVALID_FIELD", codes.InvalidArgument, "bad x"},
		{"exists", status.Error(codes.AlreadyExists, "x exists"), "INVALID_FIELD", codes.AlreadyExists, "x exists"},
		{"unauthenticated", status.Error(codes.Unauthenticated, "who"), "INVALID_API_KEY", codes.Unauthenticated, "who"},
		{"status, wrapped", fmt.Errorf("10.0.0.1: %w", status.Error(codes.NotFound, "no row")), "ROUTE_NOT_FOUND", codes.NotFound, "no row"},
		{"gRPC's own limit", status.Error(codes.ResourceExhausted, "grpc: received message larger than max (2 vs. 1)"), "REQUEST_TOO_LARGE", codes.ResourceExhausted, "the message is larger than Headgate takes"},
		{"foreign domain", foreign.Err(), "ROUTE_NOT_FOUND", codes.NotFound, "no row"},
		{"reason of a newer peer", newer.Err(), "ROUTE_NOT_FOUND", codes.NotFound, "said by a newer peer"},
	}
	for _, c := range cases {
		e := fault.From(c.err)
		if fault.Code(e.Reason) != c.reason || e.GRPCCode() != c.code {
			t.Errorf("%s: %v, %v", c.name, e.Reason, e.GRPCCode())
		}
		if c.message != "" && e.Message != c.message || strings.Contains(e.Message, "10.0.0.1") {
			t.Errorf("%s: message %q", c.name, e.Message)
		}
		st := fault.Status(c.err)
		if st.Code() != c.code || st.Message() != e.Message || fault.CodeOf(c.err) != c.code {
			t.Errorf("%s: status %v", c.name, st)
		}
		if !errors.Is(e, c.err) && !errors.Is(c.err, e) {
			t.Errorf("%s: the original isn't in the result", c.name)
		}
	}
	if fault.From(nil) != nil || fault.Status(nil) != nil || fault.Status(nil).Err() != nil || fault.CodeOf(nil) != codes.OK {
		t.Error("nil isn't nil")
	}
}

func TestCauseStaysBehind(t *testing.T) {
	t.Parallel()
	e := fault.New(errorsv1.Reason_REASON_INTERNAL, "Sorry.").Because(errors.New("password=1"))
	if !strings.Contains(e.Error(), "password=1") {
		t.Error("the log would lack the cause")
	}
	if strings.Contains(e.GRPCStatus().String(), "password") {
		t.Error("the status holds the cause")
	}
}

func TestTextThatIsNoUTF8(t *testing.T) {
	t.Parallel()
	e := fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "bad \xff").With("field", "\xfe")
	back := fault.From(e.GRPCStatus().Err())
	if back.Reason != e.Reason || back.Message != "bad ?" || back.Metadata["field"] != "?" {
		t.Errorf("came back as %+v", back)
	}
	if e.Metadata["field"] != "\xfe" {
		t.Error("the error itself was changed")
	}
}

func TestMessageMayHoldPercent(t *testing.T) {
	t.Parallel()
	if got := fault.New(errorsv1.Reason_REASON_INTERNAL, "100%").Message; got != "100%" {
		t.Errorf("got %q", got)
	}
	if got := fault.New(errorsv1.Reason_REASON_INTERNAL, "%d%%", 5).Message; got != "5%" {
		t.Errorf("got %q", got)
	}
}
