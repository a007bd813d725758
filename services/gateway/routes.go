package gateway

import (
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/gateway/internal/batches"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
	"github.com/headgate-mesh/headgate/services/gateway/internal/mcp"
	"github.com/headgate-mesh/headgate/services/gateway/internal/page"
	"github.com/headgate-mesh/headgate/services/gateway/internal/rest"
)

// surface is everything the gateway serves, by dialect.
type surface struct {
	openai, anthropic *edge.Dialect
	edges             *edge.Edges
	// mcp is the endpoint for agents; nil where it is taken away.
	mcp *mcp.Handler
	// batches are the vendors' batch endpoints; nil where there is no batch service.
	batches *batches.Edges
	ready   func() error
}

// mcpPath is where agents ask.
const mcpPath = "/mcp"

// mount hangs the routes that aren't generated on the mux.
func (s *surface) mount(mux *runtime.ServeMux) error {
	routes := []struct {
		method, pattern string
		handler         runtime.HandlerFunc
	}{
		{http.MethodGet, "/v1/models/{id=**}", s.model},
		{http.MethodGet, "/openapi.json", plain(page.OpenAPI)},
		{http.MethodGet, "/docs/{file=**}", plain(page.Docs().ServeHTTP)},
		{http.MethodGet, "/healthz", plain(page.Health)},
		{http.MethodGet, "/readyz", plain(page.Ready(s.ready))},
		{http.MethodGet, "/", plain(http.RedirectHandler("/docs", http.StatusFound).ServeHTTP)},
	}
	if s.batches != nil {
		for _, r := range s.batches.Routes() {
			routes = append(routes, struct {
				method, pattern string
				handler         runtime.HandlerFunc
			}{r.Method, r.Pattern, r.Handler})
		}
	}
	for _, r := range routes {
		if err := mux.HandlePath(r.method, r.pattern, r.handler); err != nil {
			return err
		}
	}
	for path, handler := range s.calls() {
		if err := mux.HandlePath(http.MethodPost, path, plain(handler)); err != nil {
			return err
		}
	}
	return nil
}

// calls are the paths on which models are asked.
func (s *surface) calls() map[string]http.HandlerFunc {
	calls := map[string]http.HandlerFunc{
		"/v1/chat/completions":      s.edges.Chat(s.openai),
		"/v1/embeddings":            s.edges.Embed(s.openai),
		"/v1/messages":              s.edges.Chat(s.anthropic),
		"/v1/messages/count_tokens": s.edges.CountTokens(s.anthropic),
	}
	if s.mcp != nil {
		calls[mcpPath] = s.mcp.ServeHTTP
	}
	return calls
}

// preflight answers browsers that ask whether a page may call MCP, before the key that they don't send with it. HEAD is
// served as GET is: net/http leaves the body out.
func (s *surface) preflight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodOptions && r.URL.Path == mcpPath && s.mcp != nil:
			s.mcp.Preflight(w, r)
			return
		case r.Method == http.MethodHead:
			r = r.WithContext(r.Context()) // a copy: the server has to know that it was HEAD
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// straight serves calls without the mux, which tries one pattern after the other; it gets everything else.
func (s *surface) straight(mux http.Handler) http.Handler {
	calls := s.calls()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler, ok := calls[r.URL.Path]; ok && r.Method == http.MethodPost && r.URL.RawPath == "" {
			handler(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func plain(h http.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, _ map[string]string) { h(w, r) }
}

// speaks tells which dialect a model list is wanted in: the two vendors share the path.
func (s *surface) speaks(r *http.Request) *edge.Dialect {
	if r.Header.Get("Anthropic-Version") != "" {
		return s.anthropic
	}
	return s.openai
}

func (s *surface) models(w http.ResponseWriter, r *http.Request, _ map[string]string) {
	s.edges.Models(s.speaks(r))(w, r)
}

// model also gets the list itself: the pattern of its path matches an empty id.
func (s *surface) model(w http.ResponseWriter, r *http.Request, params map[string]string) {
	if params["id"] == "" {
		s.models(w, r, nil)
		return
	}
	s.edges.Model(s.speaks(r), params["id"])(w, r)
}

// open reports whether a path needs no key.
func open(path string) bool {
	switch path {
	case "/", "/healthz", "/readyz", "/openapi.json", "/docs":
		return true
	}
	// Under /.well-known/ MCP clients look for a server of OAuth: there is none, and that needs no key to know.
	return strings.HasPrefix(path, "/docs/") || strings.HasPrefix(path, "/.well-known/")
}

// refuse writes an error in the dialect of the path.
func (s *surface) refuse(w http.ResponseWriter, r *http.Request, err *fault.Error) {
	err = advise(r, err)
	path, id := r.URL.Path, meta.RequestID(r.Context())
	switch {
	case path == "/v1/messages" || strings.HasPrefix(path, "/v1/messages/") || strings.HasPrefix(path, "/v1/v1/messages"):
		s.anthropic.Refuse(w, id, err)
	case path == "/v1/models" || strings.HasPrefix(path, "/v1/models/"):
		s.speaks(r).Refuse(w, id, err)
	case strings.HasPrefix(path, "/v1/") || path == "/chat/completions":
		s.openai.Refuse(w, id, err)
	case path == mcpPath && s.mcp != nil:
		s.mcp.Refuse(w, r, err)
	default:
		rest.Refuse(w, err)
	}
}

// advise adds what a client most probably did wrong to what no route takes.
func advise(r *http.Request, err *fault.Error) *fault.Error {
	switch {
	case err.Reason == errorsv1.Reason_REASON_METHOD_NOT_ALLOWED:
		return fault.New(err.Reason, "this path takes %s only", allowed(r.URL.Path)).With("allow", allowed(r.URL.Path))
	case err.Reason != errorsv1.Reason_REASON_ROUTE_NOT_FOUND:
		return err
	case strings.HasPrefix(r.URL.Path, "/v1/v1/") && !strings.HasPrefix(r.URL.Path, "/v1/v1/messages"):
		return fault.New(err.Reason, "no such path; the base URL of the OpenAI SDKs ends in one /v1")
	case strings.HasPrefix(r.URL.Path, "/v1/v1/"):
		return fault.New(err.Reason, "no such path; the base URL of the Anthropic SDKs has no /v1 at its end")
	case r.URL.Path == "/chat/completions":
		return fault.New(err.Reason, "no such path; the base URL of the OpenAI SDKs ends in /v1")
	}
	return err
}

// allowed is what methods a known path takes.
func allowed(path string) string {
	switch path {
	case "/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/v1/messages/count_tokens", mcpPath,
		"/api/v1/chat", "/api/v1/chat:stream", "/api/v1/embeddings", "/api/v1/tokens:count", "/api/v1/cache:invalidate":
		return http.MethodPost
	case "/api/v1/keys", "/api/v1/batches", "/v1/files", "/v1/batches", "/v1/messages/batches":
		return "GET, HEAD, POST"
	}
	switch {
	case strings.HasSuffix(path, "/cancel"), strings.HasSuffix(path, ":cancel"):
		return http.MethodPost
	case strings.HasSuffix(path, "/results"), strings.HasSuffix(path, "/content"):
		return "GET, HEAD"
	}
	switch {
	case strings.HasPrefix(path, "/api/v1/keys/") && strings.HasSuffix(path, ":rotate"):
		return http.MethodPost
	case strings.HasPrefix(path, "/api/v1/keys/"):
		return "GET, HEAD, PATCH, DELETE"
	}
	for _, prefix := range []string{"/api/v1/batches/", "/v1/files/", "/v1/messages/batches/"} {
		if strings.HasPrefix(path, prefix) {
			return "GET, HEAD, DELETE"
		}
	}
	return "GET, HEAD"
}
