package sim

import (
	"fmt"
	"net/http"
	"strings"
)

// route is one endpoint: its method, what serves it, and how.
type route struct {
	method string
	serve  func(*exchange) error
	// open needs no key, even where the server has some.
	open bool
	// busy is work for the engine of a self-hosted server.
	busy bool
}

// routes are the endpoints with a fixed path, by server.
var routes = [...]map[string]route{
	openAI:    vendorRoutes,
	anthropic: vendorRoutes,
	vLLM: {
		"/v1/chat/completions":      {method: http.MethodPost, serve: (*exchange).vllmChat, busy: true},
		"/v1/messages":              {method: http.MethodPost, serve: (*exchange).messages, busy: true},
		"/v1/messages/count_tokens": {method: http.MethodPost, serve: (*exchange).countTokens},
		"/v1/embeddings":            {method: http.MethodPost, serve: (*exchange).embeddings, busy: true},
		"/v1/models":                {method: http.MethodGet, serve: (*exchange).listModels},
		"/tokenize":                 {method: http.MethodPost, serve: (*exchange).vllmTokenize, open: true},
		"/health":                   {method: http.MethodGet, serve: (*exchange).health, open: true},
		"/ping":                     {method: http.MethodGet, serve: (*exchange).health, open: true},
		"/load":                     {method: http.MethodGet, serve: (*exchange).vllmLoad, open: true},
		"/version":                  {method: http.MethodGet, serve: (*exchange).vllmVersion, open: true},
		"/metrics":                  {method: http.MethodGet, serve: (*exchange).vllmMetrics, open: true},
	},
	tgi: {
		"/":                    {method: http.MethodPost, serve: (*exchange).tgiCompat, busy: true},
		"/generate":            {method: http.MethodPost, serve: (*exchange).tgiGenerate, busy: true},
		"/generate_stream":     {method: http.MethodPost, serve: (*exchange).tgiGenerateStream, busy: true},
		"/v1/chat/completions": {method: http.MethodPost, serve: (*exchange).tgiChat, busy: true},
		"/v1/models":           {method: http.MethodGet, serve: (*exchange).listModels, open: true},
		"/tokenize":            {method: http.MethodPost, serve: (*exchange).tgiTokenize},
		"/chat_tokenize":       {method: http.MethodPost, serve: (*exchange).tgiChatTokenize},
		"/info":                {method: http.MethodGet, serve: (*exchange).tgiInfo, open: true},
		"/health":              {method: http.MethodGet, serve: (*exchange).health, open: true},
		"/ping":                {method: http.MethodGet, serve: (*exchange).health, open: true},
		"/metrics":             {method: http.MethodGet, serve: (*exchange).tgiMetrics, open: true},
	},
}

var vendorRoutes = map[string]route{
	"/v1/chat/completions":      {method: http.MethodPost, serve: (*exchange).chat},
	"/v1/embeddings":            {method: http.MethodPost, serve: (*exchange).embeddings},
	"/v1/messages":              {method: http.MethodPost, serve: (*exchange).messages},
	"/v1/messages/count_tokens": {method: http.MethodPost, serve: (*exchange).countTokens},
	"/v1/models":                {method: http.MethodGet, serve: (*exchange).listModels},
}

func routeOf(p place) route {
	if strings.HasPrefix(p.path, "/v1/models/") && p.host != tgi {
		return route{method: http.MethodGet, serve: (*exchange).getModel}
	}
	return routes[p.host][p.path]
}

// noRoute is the server's 404 for an unknown address.
func (p place) noRoute(r *http.Request) *problem {
	switch p.host {
	case anthropic:
		return &problem{status: http.StatusNotFound}
	case vLLM:
		return &problem{status: http.StatusNotFound, exact: &exact{"application/json", `{"detail":"Not Found"}`}}
	case tgi:
		return &problem{status: http.StatusNotFound, exact: &exact{}}
	}
	return &problem{
		status: http.StatusNotFound, kind: invalidRequest,
		message: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path),
	}
}

// noMethod is the server's 405.
func (p place) noMethod(r *http.Request) *problem {
	switch p.host {
	case anthropic:
		return &problem{status: http.StatusMethodNotAllowed, kind: invalidRequest, message: "Method Not Allowed"}
	case vLLM:
		return &problem{status: http.StatusMethodNotAllowed, exact: &exact{"application/json", `{"detail":"Method Not Allowed"}`}}
	case tgi:
		return &problem{status: http.StatusMethodNotAllowed, exact: &exact{}}
	}
	return &problem{
		status: http.StatusMethodNotAllowed, kind: invalidRequest, code: "method_not_supported",
		message: fmt.Sprintf("Not allowed to %s on %s (HINT: Perhaps you meant to make your HTTP request via POST?)", r.Method, r.URL.Path),
	}
}
