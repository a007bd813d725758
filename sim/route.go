package sim

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// route is one endpoint: its method, what serves it, and how.
type route struct {
	method string
	serve  func(*exchange) error
	// open needs no key, even where the server has some.
	open bool
	// bulk reads its body itself, piece by piece; long takes one of the length that the vendor allows for a batch.
	bulk, long bool
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

// batchRoutes are the endpoints of the batches: those of a path differ by method, and * is any one part of a path.
var batchRoutes = map[vendor][]struct {
	path string
	route
}{
	openAI: {
		{"/v1/files", route{method: http.MethodPost, serve: (*exchange).uploadFile, bulk: true}},
		{"/v1/files", route{method: http.MethodGet, serve: (*exchange).listFiles}},
		{"/v1/files/*", route{method: http.MethodGet, serve: (*exchange).getFile}},
		{"/v1/files/*", route{method: http.MethodDelete, serve: (*exchange).deleteFile}},
		{"/v1/files/*/content", route{method: http.MethodGet, serve: (*exchange).fileContent}},
		{"/v1/batches", route{method: http.MethodPost, serve: (*exchange).createBatch}},
		{"/v1/batches", route{method: http.MethodGet, serve: (*exchange).listBatches}},
		{"/v1/batches/*", route{method: http.MethodGet, serve: (*exchange).getBatch}},
		{"/v1/batches/*/cancel", route{method: http.MethodPost, serve: (*exchange).cancelBatch}},
	},
	anthropic: {
		{batchesPath, route{method: http.MethodPost, serve: (*exchange).createMessageBatch, long: true}},
		{batchesPath, route{method: http.MethodGet, serve: (*exchange).listMessageBatches}},
		{batchesPath + "/*", route{method: http.MethodGet, serve: (*exchange).getMessageBatch}},
		{batchesPath + "/*", route{method: http.MethodDelete, serve: (*exchange).deleteMessageBatch}},
		{batchesPath + "/*/cancel", route{method: http.MethodPost, serve: (*exchange).cancelMessageBatch}},
		{batchesPath + "/*/results", route{method: http.MethodGet, serve: (*exchange).messageBatchResults}},
	},
}

// batchRoute finds the endpoint, or one of the same path with another method.
func batchRoute(p place, method string) (found route, ok bool) {
	for _, r := range batchRoutes[p.host] {
		if match, _ := path.Match(r.path, p.path); match && (!ok || r.method == method) {
			found, ok = r.route, true
		}
	}
	return found, ok
}

func routeOf(p place, method string) route {
	if r, ok := routes[p.host][p.path]; ok {
		return r
	}
	if r, ok := batchRoute(p, method); ok {
		return r
	}
	if strings.HasPrefix(p.path, "/v1/models/") && p.host != tgi {
		return route{method: http.MethodGet, serve: (*exchange).getModel}
	}
	return route{}
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
