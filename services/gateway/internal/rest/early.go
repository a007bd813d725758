package rest

import (
	"context"
	"net/http"

	"github.com/headgate-mesh/headgate/kit/fault"
)

// early is the response writer of a server stream. grpc-gateway writes a failure before the first message as an element
// of the stream, under the code's status; early writes it as any other error of the native surface instead.
type early struct {
	http.ResponseWriter

	// claim returns false where a heartbeat has promised a stream already.
	claim   func() bool
	failure *fault.Error
	told    bool
}

type earlyKey struct{}

// withEarly lets fail, deep within grpc-gateway, find the writer.
func withEarly(ctx context.Context, e *early) context.Context {
	return context.WithValue(ctx, earlyKey{}, e)
}

// note remembers the failure in case it comes before the first message.
func note(ctx context.Context, err error) {
	if e, ok := ctx.Value(earlyKey{}).(*early); ok {
		e.failure = fault.From(err)
	}
}

// WriteHeader implements http.ResponseWriter.
func (e *early) WriteHeader(status int) {
	if e.failure == nil || status < http.StatusBadRequest {
		e.ResponseWriter.WriteHeader(status)
		return
	}
	e.told = true
	if e.claim != nil && !e.claim() {
		_, _ = e.ResponseWriter.Write(append(append([]byte("event: error\ndata: "), statusJSON(e.failure)...), "\n\n"...))
		return
	}
	e.Header().Del("Transfer-Encoding")
	Refuse(e.ResponseWriter, e.failure)
}

// Write implements http.ResponseWriter; after an early failure grpc-gateway's own version of it is dropped.
func (e *early) Write(p []byte) (int, error) {
	if e.told {
		return len(p), nil
	}
	return e.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (e *early) Unwrap() http.ResponseWriter { return e.ResponseWriter }
