package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/services/gateway"
)

// TestMCPRefusals: what doesn't reach the endpoint is a JSON-RPC error, and a missing key says how one is sent.
func TestMCPRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, method string
		headers      []string
		status       int
		reason       string
		want         map[string]string
	}{
		{"no key", http.MethodPost, nil, 401, "MISSING_API_KEY", map[string]string{"WWW-Authenticate": `Bearer realm="headgate"`}},
		{"no key, of a page", http.MethodPost, []string{"Origin", "http://localhost:1"}, 401, "MISSING_API_KEY", nil},
		{"a wrong key", http.MethodPost, []string{"X-Api-Key", "hg_wrong"}, 401, "INVALID_API_KEY", map[string]string{
			"WWW-Authenticate": `Bearer realm="headgate", error="invalid_token", error_description="the API key isn't valid"`,
		}},
		{"GET", http.MethodGet, []string{"X-Api-Key", key}, 405, "METHOD_NOT_ALLOWED", map[string]string{"Allow": "POST"}},
		{"DELETE", http.MethodDelete, []string{"X-Api-Key", key}, 405, "METHOD_NOT_ALLOWED", map[string]string{"Allow": "POST"}},
		{"a page elsewhere", http.MethodPost, []string{"X-Api-Key", key, "Origin", "https://evil.example"}, 403, "PERMISSION_DENIED", nil},
	}
	h := handler(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := ask(t, h, c.method, "/mcp", c.headers...)
			var said struct {
				Version string `json:"jsonrpc"`
				ID      any
				Error   struct {
					Message string
					Data    struct{ Reason string }
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Version != "2.0" || said.ID != nil || said.Error.Message == "" {
				t.Fatalf("%v %s", err, w.Body)
			}
			if w.Code != c.status || said.Error.Data.Reason != c.reason || w.Header().Get("X-Request-Id") == "" {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			for name, want := range c.want {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestMCPPreflight: a browser asks without a key, and learns which pages may call.
func TestMCPPreflight(t *testing.T) {
	t.Parallel()
	h := build(t, gateway.Config{MCP: gateway.MCP{AllowedOrigins: []string{"https://app.example"}}}, nil, &router{}).Handler()
	for origin, status := range map[string]int{"https://app.example": 204, "https://evil.example": 403} {
		w := ask(t, h, http.MethodOptions, "/mcp", "Origin", origin, "Access-Control-Request-Method", "POST")
		allowed := w.Header().Get("Access-Control-Allow-Origin") == origin && strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Authorization")
		if w.Code != status || allowed != (status == 204) || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %v", origin, w.Code, w.Header())
		}
	}
	if w := ask(t, h, http.MethodOptions, "/v1/models", "Origin", "https://app.example"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", w.Header())
	}
}

// TestMCPDisabled: then there is no such path.
func TestMCPDisabled(t *testing.T) {
	t.Parallel()
	h := build(t, gateway.Config{MCP: gateway.MCP{Disabled: true}}, nil, &router{}).Handler()
	if w := ask(t, h, http.MethodPost, "/mcp", "X-Api-Key", key); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestNoOAuth: clients that look for a server of OAuth learn without a key that there is none.
func TestNoOAuth(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"} {
		if w := ask(t, h, http.MethodGet, path); w.Code != 404 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestMCPConfig(t *testing.T) {
	t.Parallel()
	cases := map[string]gateway.MCP{
		"mcp.allowed_origins[0]": {AllowedOrigins: []string{"app.example"}},
		"mcp.allowed_origins[1]": {AllowedOrigins: []string{"https://app.example", "https://app.example/path"}},
		"mcp.allowed_hosts[0]":   {AllowedHosts: []string{"gate.example:443"}},
		"mcp.allowed_hosts[1]":   {AllowedHosts: []string{"gate.example", ""}},
	}
	for path, m := range cases {
		if err := (gateway.Config{MCP: m}).Validate(); err == nil || !strings.HasPrefix(err.Error(), path+":") {
			t.Errorf("%v doesn't name %s", err, path)
		}
	}
	good := gateway.MCP{AllowedOrigins: []string{"http://localhost:3000", "https://app.example/"}, AllowedHosts: []string{"gate.example"}}
	if err := (gateway.Config{MCP: good}).Validate(); err != nil {
		t.Error(err)
	}
}
