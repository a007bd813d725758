package front

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

func overloaded() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_OVERLOADED, "the gateway is serving as many requests as it takes; try again shortly")
}

// identify takes the client's request id where it is usable, else makes one; every response carries it under both names
// that the vendors' SDKs read.
func identify(h http.Header, r *http.Request) context.Context {
	id := r.Header.Get("X-Request-Id")
	if !meta.ValidID(id) {
		id = meta.NewID()
	}
	values := []string{id}
	h["X-Request-Id"], h["Request-Id"] = values, values
	return meta.WithRequestID(r.Context(), id)
}

// recoverPanic answers a defect with an error instead of a dropped connection, unless the answer has begun.
func recoverPanic(o Options, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares the value too
				panic(cause) //nolint:forbidigo // the one way to break a connection on purpose
			}
			o.Logger.LogAttrs(r.Context(), slog.LevelError, "panic",
				slog.String("request_id", meta.RequestID(r.Context())), slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
			if s, ok := w.(*statusWriter); ok && s.status != 0 {
				panic(http.ErrAbortHandler) //nolint:forbidigo // half an answer must not look whole
			}
			o.Refuse(w, r, fault.New(errorsv1.Reason_REASON_INTERNAL, "an unexpected error; its cause is in the log beside the request id"))
		}()
		next.ServeHTTP(w, r)
	})
}

// authenticate verifies the caller's key and takes it out of the headers: from here on it travels in the context only.
func authenticate(o Options, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.Open(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, err := principal(r, o.Verifier)
		if err != nil {
			o.Refuse(w, r, fault.From(err))
			return
		}
		if err := strip(r.Header); err != nil {
			o.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func principal(r *http.Request, v auth.Verifier) (context.Context, error) {
	key, err := auth.KeyFromHeader(r.Header)
	if err != nil {
		return nil, err
	}
	who, err := v.Verify(r.Context(), key)
	if err != nil {
		return nil, err
	}
	return auth.NewDecisionContext(r.Context(), auth.Decision{Principal: who, HasKey: true, Key: key}), nil
}

// maxName bounds how much of a header's name is repeated.
const maxName = 64

// strip removes what must not travel on: credentials, and names that only the mesh itself may use. It returns INVALID_FIELD
// for a header that looks like one of Headgate's and is none.
func strip(h http.Header) *fault.Error {
	h.Del("Authorization")
	h.Del("X-Api-Key")
	h.Del("Cookie")
	h.Del("Forwarded")
	for name := range h {
		switch {
		case begins(name, "x-forwarded-"), begins(name, "grpc-"):
			delete(h, name)
		case begins(name, "x-headgate-"):
			if begins(name, meta.InternalPrefix) {
				delete(h, name)
			}
			lower := strings.ToLower(name)
			if text := meta.Unknown(lower); text != "" {
				lower = lower[:min(len(lower), maxName)]
				return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", lower, text).With("field", lower)
			}
		}
	}
	return nil
}

// begins is strings.HasPrefix in any case.
func begins(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
