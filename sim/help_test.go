package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fixed is the tests' clock.
func fixed() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// server starts a simulator.
func server(t *testing.T, cfg Config) (*Sim, *httptest.Server) {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = fixed
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv
}

// exchanged is a response with its body read as far as it went.
type exchanged struct {
	*http.Response
	body []byte
	err  error
}

// send makes one request; headers come in pairs.
func send(t *testing.T, srv *httptest.Server, method, path, body string, headers ...string) exchanged {
	t.Helper()
	res, err := srv.Client().Do(request(t.Context(), t, srv, method, path, body, headers...))
	if err != nil {
		return exchanged{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return exchanged{res, b, err}
}

func request(ctx context.Context, t *testing.T, srv *httptest.Server, method, path, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// chat posts a chat completion with a key and a script.
func chat(t *testing.T, srv *httptest.Server, body, script string) exchanged {
	t.Helper()
	return send(t, srv, http.MethodPost, "/v1/chat/completions", body, "Authorization", "Bearer k", "X-Sim-Script", script)
}

// postMessage posts a message with a key, the old version and a script.
func postMessage(t *testing.T, srv *httptest.Server, body, script string) exchanged {
	t.Helper()
	return send(t, srv, http.MethodPost, "/v1/messages", body, "X-Api-Key", "k", "Anthropic-Version", "2023-06-01", "X-Sim-Script", script)
}

// event is one parsed server-sent event.
type event struct {
	name string
	data string
}

// parse reads a stream of events, strictly: only event, data and comment lines.
func parse(t *testing.T, body []byte) (events []event) {
	t.Helper()
	sc := bufio.NewScanner(bytes.NewReader(body))
	sc.Buffer(nil, 1<<20)
	var e event
	for sc.Scan() {
		line := sc.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			e.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			e.data = line[len("data: "):]
		case line == "" && e.data != "":
			events = append(events, e)
			e = event{}
		case line != "" && !strings.HasPrefix(line, ":"):
			t.Fatalf("odd line %q", line)
		}
	}
	return events
}

// dig walks into decoded JSON: names and indexes.
func dig(t *testing.T, raw []byte, path ...any) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

const (
	hello        = `{"model":"gpt-4o","messages":[{"role":"user","content":"hello there"}]}`
	helloStream  = `{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello there"}]}`
	claude       = `{"model":"claude-opus-4-6","max_tokens":500,"messages":[{"role":"user","content":"hello there"}]}`
	claudeStream = `{"model":"claude-opus-4-6","max_tokens":500,"stream":true,"messages":[{"role":"user","content":"hello there"}]}`
)

func itoa(n int) string { return strconv.Itoa(n) }

func jsonOK(s string) bool { return json.Valid([]byte(s)) }
