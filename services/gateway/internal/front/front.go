// Package front is what every HTTP request passes before its route: request id, telemetry, recovery, limits and
// authentication, in this order.
package front

import (
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/overload"
)

// Options are what the chain needs; all are required.
type Options struct {
	Logger   *slog.Logger
	Tracer   trace.Tracer
	Meter    metric.Meter
	Verifier auth.Verifier
	// Admission lets requests in.
	Admission *overload.Limiter
	// Open reports whether a path needs no key.
	Open func(path string) bool
	// Refuse writes an error in the dialect of the request's path.
	Refuse func(w http.ResponseWriter, r *http.Request, err *fault.Error)
}

// Chain puts everything in front of the routes. The order is the order in which a request meets them.
func Chain(routes http.Handler, o Options) (http.Handler, error) {
	t, err := newObserver(o)
	if err != nil {
		return nil, err
	}
	return t.observe( // the request id, too
		recoverPanic(o,
			admit(o,
				authenticate(o, routes)))), nil
}

// admit refuses what is more than the gateway carries: quickly, and with a time to come back.
func admit(o Options, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.Open(r.URL.Path) { // a probe must not be told that the gateway is dead because it is busy
			next.ServeHTTP(w, r)
			return
		}
		if !o.Admission.Enter(priority(r)) {
			if s, ok := w.(*statusWriter); ok {
				s.quiet = true
			}
			o.Refuse(w, r, overloaded().After(time.Second))
			return
		}
		defer o.Admission.Leave()
		next.ServeHTTP(w, r)
	})
}

// priority is the caller's own word: what it gains by it is to be refused first.
func priority(r *http.Request) overload.Priority {
	if v := r.Header["X-Headgate-Priority"]; len(v) == 1 && v[0] == "batch" {
		return overload.Batch
	}
	return overload.Interactive
}
