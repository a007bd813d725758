package provider

import (
	"errors"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// BrokenError is the end of an answer that began as a success and can't be used: its provider did the work.
type BrokenError struct {
	// Cause is a *fault.Error.
	Cause error
	// UpstreamRequestID is the provider's own id of the exchange, where it gave one.
	UpstreamRequestID string
	// Said is how many bytes of an answer that isn't a stream were there.
	Said int64
}

// Error implements error.
func (e *BrokenError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *BrokenError) Unwrap() error { return e.Cause }

// AtFault reports whether an attempt's error is the provider's doing. The caller's mistakes and the caller's leaving
// aren't.
func AtFault(err error) bool {
	f, ok := known(err)
	if !ok {
		return false
	}
	switch f.Reason {
	case errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, errorsv1.Reason_REASON_PROVIDER_MALFORMED,
		errorsv1.Reason_REASON_PROVIDER_CREDENTIALS, errorsv1.Reason_REASON_STREAM_TRUNCATED:
		return true
	case errorsv1.Reason_REASON_TIMEOUT:
		return upstream.ProvidersTimer(f.Metadata["timer"])
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		return Transient(f.HTTPStatus()) || OfAccount(f.HTTPStatus(), f.Metadata["provider_code"])
	}
	return false
}

// Failing reports whether an error says that the target itself isn't well, as its breaker sees it (promise S4): what is
// about Headgate's key there says nothing of it, nor does a limit.
func Failing(err error) bool { return AtFault(err) && !OfKey(err) }

// OfKey reports whether an error is about Headgate's key at the provider: another key may do better at once.
func OfKey(err error) bool {
	f, ok := known(err)
	if !ok {
		return false
	}
	switch f.Reason {
	case errorsv1.Reason_REASON_PROVIDER_CREDENTIALS:
		return true
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		return f.HTTPStatus() == 429 || OfAccount(f.HTTPStatus(), f.Metadata["provider_code"])
	}
	return false
}

// Unasked reports whether the provider was never asked: it can't express the request, or Headgate spares it.
func Unasked(err error) bool {
	f, ok := known(err)
	return ok && (f.Reason == errorsv1.Reason_REASON_UNSUPPORTED || f.Reason == errorsv1.Reason_REASON_OVERLOADED)
}

// Elsewhere reports whether another target may do better.
func Elsewhere(err error) bool { return AtFault(err) || Unasked(err) }

// Again reports whether the same target may do better a little later: the statuses of promise S2 and connections that
// broke. Exhausted accounts, refused credentials and answers that can't be understood don't clear by themselves, nor does
// what the provider calls final.
func Again(err error) bool {
	f, ok := known(err)
	if !ok {
		return false
	}
	switch f.Reason {
	case errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, errorsv1.Reason_REASON_STREAM_TRUNCATED, errorsv1.Reason_REASON_OVERLOADED:
		return true
	case errorsv1.Reason_REASON_TIMEOUT:
		return f.Metadata["timer"] == upstream.TimerConnect
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		return Transient(f.HTTPStatus()) && !OfAccount(f.HTTPStatus(), f.Metadata["provider_code"]) && f.Metadata[noRepeat] == ""
	}
	return false
}

// noRepeat marks a provider's error after which it wants no repetition.
const noRepeat = "no_repeat"

// Final marks a provider's error after which it wants no repetition, where it said so.
func Final(f *fault.Error, final bool) *fault.Error {
	if final {
		return f.With(noRepeat, "true")
	}
	return f
}

// Transient reports whether a provider's status is one that a repetition, here or elsewhere, may cure (promise S2).
func Transient(status int) bool {
	return status == 408 || status == 425 || status == 429 || status >= 500
}

// OfAccount reports whether an error is about Headgate's account at the provider: another provider may do better, a
// repetition doesn't (OpenAI's insufficient_quota, Anthropic's spend limits, 402).
func OfAccount(status int, code string) bool {
	switch code {
	case "insufficient_quota", "billing_hard_limit_reached", "enforced_spend_limit_reached", "contract_spend_limit_reached", "billing_error":
		return true
	}
	return status == 402
}

func known(err error) (*fault.Error, bool) {
	if err == nil {
		return nil, false
	}
	var f *fault.Error
	return f, errors.As(err, &f)
}
