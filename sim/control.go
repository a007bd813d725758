package sim

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// controlPath is where the simulator itself is spoken to. It needs no key, and no script applies to it.
const controlPath = "/sim/"

// Scope is a set of requests that a script is for.
type Scope struct {
	// Method is the HTTP method; empty is any.
	Method string
	// Path is what the URL's path begins with.
	Path string
}

// scoped is a script for a scope.
type scoped struct {
	Scope
	script string
}

// scopes are the scripts with a scope. Safe for concurrent use; the zero value has none.
type scopes struct {
	mu   sync.RWMutex
	list []scoped
}

// SetFaultsFor gives a script to some requests, on top of the configuration's and below what the request itself says. It
// replaces the one of the same scope; an empty script removes it.
func (s *Sim) SetFaultsFor(scope Scope, script Script) error {
	if _, err := parseScript(newPlan(), string(script)); err != nil {
		return err
	}
	c := &s.scoped
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = slices.DeleteFunc(slices.Clone(c.list), func(o scoped) bool { return o.Scope == scope })
	if script != "" {
		c.list = append(c.list, scoped{scope, string(script)})
	}
	return nil
}

// said is what the scopes have for a request.
func (c *scopes) said(r *http.Request) string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var said []string
	for _, o := range c.list {
		if (o.Method == "" || o.Method == r.Method) && strings.HasPrefix(r.URL.Path, o.Path) {
			said = append(said, o.script)
		}
	}
	return strings.Join(said, ",")
}

// controls are the endpoints for tests that run the simulator as a program.
func (s *Sim) controls() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sim/stats", func(w http.ResponseWriter, _ *http.Request) { tell(w, s.Stats(), nil) })
	mux.HandleFunc("GET /sim/ledger", func(w http.ResponseWriter, _ *http.Request) {
		l, err := s.Ledger()
		tell(w, l, err)
	})
	mux.HandleFunc("PUT /sim/faults", s.putFaults)
	return mux
}

// putFaults sets the script that the body has: for the requests that the query names, or for all.
func (s *Sim) putFaults(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<16))
	script := Script(strings.TrimSpace(string(body)))
	scope := Scope{Method: r.URL.Query().Get("method"), Path: r.URL.Query().Get("path")}
	switch {
	case err != nil:
	case scope == Scope{}:
		err = s.SetFaults(script)
	default:
		err = s.SetFaultsFor(scope, script)
	}
	if err != nil {
		http.Error(w, "faults: "+err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// tell answers with JSON.
func tell(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(v))
}
