package adapter

import (
	"errors"
	"sync/atomic"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// Stats counts attempts at one provider. Safe for concurrent use.
type Stats struct {
	inFlight, attempts, failures atomic.Int64
}

// Begin notes that an attempt starts; the caller calls the function it returns once, when the attempt is over, with
// its error.
func (s *Stats) Begin() (end func(error)) {
	s.inFlight.Add(1)
	s.attempts.Add(1)
	return func(err error) {
		s.inFlight.Add(-1)
		if AtFault(err) {
			s.failures.Add(1)
		}
	}
}

// Read returns the attempts under way, all attempts, and those that failed by the provider's fault.
func (s *Stats) Read() (inFlight, attempts, failures int64) {
	return s.inFlight.Load(), s.attempts.Load(), s.failures.Load()
}

// AtFault reports whether an attempt's error is the provider's doing, so that another target may do better. The
// caller's mistakes and the caller's leaving aren't.
func AtFault(err error) bool {
	var f *fault.Error
	if !errors.As(err, &f) {
		return false
	}
	switch f.Reason {
	case errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, errorsv1.Reason_REASON_PROVIDER_MALFORMED,
		errorsv1.Reason_REASON_PROVIDER_CREDENTIALS, errorsv1.Reason_REASON_STREAM_TRUNCATED:
		return true
	case errorsv1.Reason_REASON_TIMEOUT:
		return upstream.ProvidersTimer(f.Metadata["timer"])
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		return Transient(f.HTTPStatus())
	}
	return false
}

// Transient reports whether a provider's status is one that a repetition, here or elsewhere, may cure (promise S2).
func Transient(status int) bool {
	return status == 408 || status == 425 || status == 429 || status >= 500
}
