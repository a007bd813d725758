package ops

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headgate-mesh/headgate/kit/listen"
)

// Handler returns the routes. Profiles are among them only where the listener is on loopback, and then answer only
// requests whose Host is loopback too, so that no web page reaches them through a name of its own.
func Handler(o Options, loopback bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, status{Status: "ok"})
	})
	mux.HandleFunc("GET /readyz", o.ready)
	if o.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	}
	if loopback {
		mux.Handle("/debug/pprof/", localHost(profiles()))
	}
	return mux
}

// status is the body of /healthz and /readyz.
type status struct {
	Status   string   `json:"status"`
	NotReady []string `json:"not_ready,omitempty"`
}

func (o Options) ready(w http.ResponseWriter, r *http.Request) {
	if o.Ready != nil {
		if names := o.Ready(r.Context()); len(names) > 0 {
			answer(w, http.StatusServiceUnavailable, status{Status: "not ready", NotReady: names})
			return
		}
	}
	answer(w, http.StatusOK, status{Status: "ready"})
}

func answer(w http.ResponseWriter, code int, body status) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a failure means that the client has gone
}

// profiles is net/http/pprof without cmdline, which shows the arguments of the process.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/cmdline", http.NotFound)
	return mux
}

// localHost refuses requests whose Host isn't loopback.
func localHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !listen.Loopback(r.Host) && !listen.Loopback(net.JoinHostPort(r.Host, "80")) {
			http.Error(w, "profiles are for this machine only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
