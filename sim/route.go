package sim

import (
	"fmt"
	"net/http"
	"strings"
)

// route is one endpoint: its method and what serves it.
type route struct {
	method string
	serve  func(*exchange) error
}

// routes are the endpoints with a fixed path.
var routes = map[string]route{
	"/v1/chat/completions":      {http.MethodPost, (*exchange).chat},
	"/v1/messages":              {http.MethodPost, (*exchange).messages},
	"/v1/messages/count_tokens": {http.MethodPost, (*exchange).countTokens},
	"/v1/models":                {http.MethodGet, (*exchange).listModels},
}

func routeOf(r *http.Request) route {
	if strings.HasPrefix(r.URL.Path, "/v1/models/") {
		return route{http.MethodGet, (*exchange).getModel}
	}
	return routes[r.URL.Path]
}

// noRoute is the vendor's 404 for an unknown address.
func (v vendor) noRoute(r *http.Request) *problem {
	p := problem{
		status: http.StatusNotFound, kind: invalidRequest,
		message: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path),
	}
	if v == anthropic {
		p = problem{status: http.StatusNotFound}
	}
	return &p
}

// noMethod is the vendor's 405.
func (v vendor) noMethod(r *http.Request) *problem {
	p := problem{
		status: http.StatusMethodNotAllowed, kind: invalidRequest, code: "method_not_supported",
		message: fmt.Sprintf("Not allowed to %s on %s (HINT: Perhaps you meant to make your HTTP request via POST?)", r.Method, r.URL.Path),
	}
	if v == anthropic {
		p = problem{status: http.StatusMethodNotAllowed, kind: invalidRequest, message: "Method Not Allowed"}
	}
	return &p
}
