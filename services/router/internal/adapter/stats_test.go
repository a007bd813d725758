package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

func TestAtFault(t *testing.T) {
	t.Parallel()
	because := func(r errorsv1.Reason) error { return fault.New(r, "because") }
	answered := func(status int) error {
		return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "no").With("http_status", strconv.Itoa(status))
	}
	cases := []struct {
		name string
		err  error
		want bool
	}{
		{"success", nil, false},
		{"an error of nobody's", errors.New("x"), false},
		{"unreachable", because(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE), true},
		{"malformed", because(errorsv1.Reason_REASON_PROVIDER_MALFORMED), true},
		{"credentials", because(errorsv1.Reason_REASON_PROVIDER_CREDENTIALS), true},
		{"truncated", because(errorsv1.Reason_REASON_STREAM_TRUNCATED), true},
		{"wrapped", fmt.Errorf("attempt: %w", because(errorsv1.Reason_REASON_STREAM_TRUNCATED)), true},
		{"unsupported", because(errorsv1.Reason_REASON_UNSUPPORTED), false},
		{"invalid field", because(errorsv1.Reason_REASON_INVALID_FIELD), false},
		{"internal", because(errorsv1.Reason_REASON_INTERNAL), false},
		{"the caller left", fault.From(context.Canceled), false},
		{"the deadline that came with the call", fault.From(context.DeadlineExceeded), false},
		{"connect timer", upstream.TimeoutError("connect", 1), true},
		{"first content timer", upstream.TimeoutError("first_content", 1), true},
		{"gap timer", upstream.TimeoutError("gap", 1), true},
		{"total timer", upstream.TimeoutError("total", 1), false},
		{"400", answered(400), false},
		{"404", answered(404), false},
		{"408", answered(408), true},
		{"409", answered(409), false},
		{"413", answered(413), false},
		{"422", answered(422), false},
		{"425", answered(425), true},
		{"429", answered(429), true},
		{"500", answered(500), true},
		{"503", answered(503), true},
		{"529", answered(529), true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := provider.AtFault(c.err); got != c.want {
				t.Errorf("AtFault(%v) = %t", c.err, got)
			}
		})
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	var s provider.Stats
	read := func() [3]int64 {
		inFlight, attempts, failures := s.Read()
		return [3]int64{inFlight, attempts, failures}
	}
	s.Begin()
	s.Begin()
	if got := read(); got != [3]int64{2, 2, 0} {
		t.Errorf("under way: %v", got)
	}
	s.End(upstream.TimeoutError("gap", 1))
	s.End(fault.From(context.Canceled))
	if got := read(); got != [3]int64{0, 2, 1} {
		t.Errorf("over: %v", got)
	}
}
