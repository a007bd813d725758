// Package page serves what people and probes look at: the API's description, its documentation, and health.
package page

import (
	"net/http"

	"github.com/swaggest/swgui/v5emb"

	"github.com/headgate-mesh/headgate/gen/openapi"
)

// OpenAPI serves the generated description of the native REST surface.
func OpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapi.JSON)
}

// Docs serves the description for people to read and try, under /docs, from assets within the binary.
func Docs() http.Handler {
	return v5emb.New("Headgate", "/openapi.json", "/docs")
}

// Health answers while the process lives.
func Health(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok\n") }

// Ready answers 200 while requests are welcome, else 503 and why. A nil ready is always ready.
func Ready(ready func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if ready == nil {
			say(w, http.StatusOK, "ready\n")
			return
		}
		if err := ready(); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
		say(w, http.StatusOK, "ready\n")
	}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
