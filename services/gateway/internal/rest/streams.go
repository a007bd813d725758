package rest

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/gateway/internal/beat"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

// Streams bounds the bodies of native requests and keeps their event streams alive; other paths pass untouched.
func Streams(next http.Handler, l edge.Limits) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			next.ServeHTTP(w, r)
			return
		}
		forget(r.Header)
		if err := bound(w, r, l); err != nil {
			w.Header().Set("Connection", "close")
			Refuse(w, fault.From(err))
			return
		}
		stream := ChooseEvents(r.Header) && strings.HasSuffix(r.URL.Path, ":stream")
		out := beat.New(w, l.Heartbeat, l.WriteStall, func() []byte { return heartbeat(stream) })
		defer out.Stop()
		reply := &early{ResponseWriter: out, claim: out.Claim}
		next.ServeHTTP(reply, r.WithContext(withEarly(r.Context(), reply)))
	})
}

// forget drops what grpc-gateway would read by itself: the client's word for who it is, and a timeout of another protocol.
func forget(h http.Header) {
	h.Del("Grpc-Timeout")
	h.Del("X-Forwarded-For")
	h.Del("X-Forwarded-Host")
}

// heartbeat is a comment between events; newline-delimited JSON has no such thing.
func heartbeat(events bool) []byte {
	if !events {
		return nil
	}
	return []byte(": ping\n\n")
}

// bound reads the body now, within the limits, so that nothing behind has to.
func bound(w http.ResponseWriter, r *http.Request, l edge.Limits) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	body, err := edge.ReadBody(w, r, l)
	if err != nil {
		return err
	}
	if strings.HasPrefix(r.URL.Path, "/api/v1/chat") && len(body) > 0 && rawjson.Check(body, dialect.MaxDepth) != nil {
		return decodeProblem("")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
