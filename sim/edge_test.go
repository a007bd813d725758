package sim

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	_, strict := server(t, Config{Keys: []string{"right-key"}})
	_, open := server(t, Config{})
	tests := map[string]struct {
		path, header, value string
		strict, open        int
	}{
		"openai right":     {"/v1/chat/completions", "Authorization", "Bearer right-key", 200, 200},
		"openai wrong":     {"/v1/chat/completions", "Authorization", "Bearer wrong-key", 401, 200},
		"openai none":      {"/v1/chat/completions", "", "", 401, 401},
		"openai x-api-key": {"/v1/chat/completions", "X-Api-Key", "right-key", 401, 401},
		"openai basic":     {"/v1/chat/completions", "Authorization", "Basic right-key", 401, 401},
		"anthropic right":  {"/v1/messages", "X-Api-Key", "right-key", 200, 200},
		"anthropic bearer": {"/v1/messages", "Authorization", "Bearer right-key", 200, 200},
		"anthropic wrong":  {"/v1/messages", "X-Api-Key", "wrong", 401, 200},
		"anthropic none":   {"/v1/messages", "", "", 401, 401},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := hello
			headers := []string{tt.header, tt.value}
			if tt.path == "/v1/messages" {
				body, headers = claude, append(headers, "Anthropic-Version", "2023-06-01")
			}
			if tt.header == "" {
				headers = headers[2:]
			}
			if res := send(t, strict, http.MethodPost, tt.path, body, headers...); res.StatusCode != tt.strict {
				t.Errorf("strict: status %d, want %d: %s", res.StatusCode, tt.strict, res.body)
			}
			if res := send(t, open, http.MethodPost, tt.path, body, headers...); res.StatusCode != tt.open {
				t.Errorf("open: status %d, want %d: %s", res.StatusCode, tt.open, res.body)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	tests := map[string]struct {
		method, path string
		anthropic    bool
		status       int
		at           []any
		want         any
	}{
		"nowhere":          {"POST", "/v1/foo", false, 404, []any{"error", "message"}, "Invalid URL (POST /v1/foo)"},
		"nowhere, claude":  {"POST", "/v1/messages/foo", true, 404, []any{"error", "type"}, "not_found_error"},
		"method":           {"GET", "/v1/chat/completions", false, 405, []any{"error", "code"}, "method_not_supported"},
		"method, claude":   {"GET", "/v1/messages", true, 405, []any{"type"}, "error"},
		"models":           {"GET", "/v1/models", false, 200, []any{"data", 0, "id"}, "gpt-5"},
		"models, claude":   {"GET", "/v1/models", true, 200, []any{"data", 0, "type"}, "model"},
		"first page":       {"GET", "/v1/models?limit=1", true, 200, []any{"has_more"}, true},
		"next page":        {"GET", "/v1/models?limit=1&after_id=claude-opus-4-6", true, 200, []any{"first_id"}, "claude-sonnet-4-5"},
		"page before":      {"GET", "/v1/models?before_id=claude-haiku-4-5", true, 200, []any{"last_id"}, "claude-sonnet-4-5"},
		"bad limit":        {"GET", "/v1/models?limit=0", true, 400, []any{"error", "type"}, invalidRequest},
		"model":            {"GET", "/v1/models/gpt-4o", false, 200, []any{"object"}, "model"},
		"model, claude":    {"GET", "/v1/models/claude-opus-4-6", true, 200, []any{"created_at"}, "2026-02-04T00:00:00Z"},
		"escaped":          {"GET", "/v1/models/gpt-x%2Fy", false, 200, []any{"id"}, "gpt-x/y"},
		"no model":         {"GET", "/v1/models/nope", false, 404, []any{"error", "code"}, "model_not_found"},
		"no model, claude": {"GET", "/v1/models/nope", true, 404, []any{"error", "message"}, "model: nope"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			headers := []string{"Authorization", "Bearer k"}
			if tt.anthropic {
				headers = append(headers, "Anthropic-Version", "2023-06-01")
			}
			res := send(t, srv, tt.method, tt.path, "", headers...)
			if res.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", res.StatusCode, tt.status, res.body)
			}
			if got := dig(t, res.body, tt.at...); got != tt.want {
				t.Errorf("%v is %v, want %v", tt.at, got, tt.want)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	o, a := chat(t, srv, hello, ""), postMessage(t, srv, claudeStream, "")
	for _, name := range []string{"openai-processing-ms", "openai-version", "x-ratelimit-limit-requests", "x-ratelimit-remaining-tokens"} {
		if o.Header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	if !strings.HasPrefix(o.Header.Get("x-request-id"), "req_") || !strings.HasPrefix(a.Header.Get("request-id"), "req_01") {
		t.Errorf("request ids %q and %q", o.Header.Get("x-request-id"), a.Header.Get("request-id"))
	}
	if _, err := time.ParseDuration(o.Header.Get("x-ratelimit-reset-tokens")); err != nil {
		t.Error(err)
	}
	if _, err := time.Parse(time.RFC3339, a.Header.Get("anthropic-ratelimit-input-tokens-reset")); err != nil {
		t.Error(err)
	}
	if got := a.Header.Get("content-type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
}

func TestConfigNamesTheBadField(t *testing.T) {
	t.Parallel()
	tests := map[string]Config{
		"keys[1]":          {Keys: []string{"a", ""}},
		"faults":           {Faults: "explode"},
		"max_body":         {MaxBody: -1},
		"models[0].id":     {Models: []Model{{Vendor: "openai"}}},
		"models[0].vendor": {Models: []Model{{ID: "x", Vendor: "acme"}}},
		"models[1].id":     {Models: []Model{{ID: "x", Vendor: "openai"}, {ID: "x", Vendor: "openai"}}},
	}
	for field, cfg := range tests {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%s: error %v", field, err)
		}
	}
}

func TestConfiguredModel(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{Models: []Model{{ID: "house/model", Vendor: "openai", Snapshot: "house/model-1"}}})
	res := chat(t, srv, `{"model":"house/model","messages":[{"role":"user","content":"x"}]}`, "")
	if got := dig(t, res.body, "model"); got != "house/model-1" {
		t.Errorf("model %v: %s", got, res.body)
	}
}

func TestRequestsAreRemembered(t *testing.T) {
	t.Parallel()
	s, srv := server(t, Config{Recent: 2})
	for _, path := range []string{"/a", "/b", "/v1/messages?beta=true"} {
		send(t, srv, http.MethodPost, path, "body of "+path, "X-Mine", "1")
	}
	got := s.Requests()
	if len(got) != 2 || got[0].Path != "/b" || got[1].Query != "beta=true" || string(got[1].Body) != "body of /v1/messages?beta=true" {
		t.Errorf("remembered %+v", got)
	}
	if got[0].Header.Get("X-Mine") != "1" || got[0].Method != http.MethodPost || !got[0].At.Equal(fixed()) {
		t.Errorf("remembered %+v", got[0])
	}
}
