package edge

import (
	"net/http"
	"strconv"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
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

// limit tells how the limit stands that is in the way, in the dialect's own headers.
func (d *Dialect) limit(h http.Header, err *fault.Error) {
	if err.Reason != errorsv1.Reason_REASON_RATE_LIMITED || d.LimitHeaders == nil {
		return
	}
	limit, noLimit := strconv.ParseInt(err.Metadata["limit"], 10, 64)
	remaining, unknown := strconv.ParseInt(err.Metadata["remaining"], 10, 64)
	reset, never := strconv.ParseInt(err.Metadata["reset_ms"], 10, 64)
	if noLimit != nil || unknown != nil || never != nil {
		return
	}
	d.LimitHeaders(h.Set, dialect.Balance{
		What: err.Metadata["dimension"], Limit: limit, Remaining: remaining, Reset: time.Duration(reset) * time.Millisecond,
	})
}
