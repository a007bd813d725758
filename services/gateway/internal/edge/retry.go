package edge

import (
	"net/http"
	"strconv"

	"github.com/headgate-mesh/headgate/kit/fault"
)

// RetryHeaders tells the vendors' SDKs whether and when to try again. They retry 408, 409, 429 and 5xx on their own
// unless x-should-retry says no.
func RetryHeaders(h http.Header, err *fault.Error) {
	if allow := err.Metadata["allow"]; allow != "" {
		h.Set("Allow", allow)
	}
	if err.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(err.RetryAfter.Seconds()+0.999), 10))
		h.Set("Retry-After-Ms", strconv.FormatInt(err.RetryAfter.Milliseconds(), 10))
	}
	if !err.Retryable() || err.Metadata["final"] != "" {
		h.Set("X-Should-Retry", "false")
	}
}
