package tests

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/sim"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// chatBody is a request in either dialect.
func chatBody(model string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"max_tokens":200,"stream":%v,"messages":[{"role":"user","content":"Explain RAG"}]}`, model, stream)
}

// openAIBody leaves max_tokens out: reasoning models refuse it.
func openAIBody(model string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"Explain RAG"}]}`, model, stream)
}

// TestProviderFailures: whatever a provider does, the client gets an error that it can act on, in its dialect, and never
// a 200 that holds less than an answer.
func TestProviderFailures(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Extra: "timeouts: {first_content: 400ms, gap: 400ms, total: 3s}\n"})
	cases := []struct {
		script string
		stream bool
		status int    // 0: 200, or 502 where the failure came before anything was sent
		code   string // within the body or the stream
	}{
		{"garbage", false, 502, "PROVIDER_MALFORMED"},
		{"garbage=text", true, 502, "PROVIDER_MALFORMED"},
		{"empty", false, 502, "PROVIDER_MALFORMED"},
		{"empty", true, 502, "PROVIDER_MALFORMED"},
		{"abort", false, 502, "PROVIDER_UNREACHABLE"},
		{"abort", true, 502, "PROVIDER_UNREACHABLE"},
		{"cut_bytes=40", false, 502, "PROVIDER_MALFORMED"},
		{"cut=0", true, 502, "STREAM_TRUNCATED"},
		{"cut=4", true, 0, "STREAM_TRUNCATED"},
		{"cut_bytes=900", true, 0, "STREAM_TRUNCATED"},
		{"reset=4", true, 0, "STREAM_TRUNCATED"},
		{"no_terminal", true, 0, "STREAM_TRUNCATED"},
		{"malformed=4", true, 0, "PROVIDER_MALFORMED"},
		{"stall=6", true, 200, "TIMEOUT"},
		{"hang", true, 504, "TIMEOUT"},
		{"hang", false, 504, "TIMEOUT"},
		{"status=401", false, 502, "PROVIDER_CREDENTIALS"},
		{"status=403", true, 502, "PROVIDER_CREDENTIALS"},
		{"status=400", false, 400, ""},
		{"status=404", true, 404, ""},
		{"status=429", true, 429, ""},
		{"status=500", false, 500, ""},
		{"status=503", true, 503, ""},
		{"status=529", false, 529, ""},
		{"error=4", true, 200, "error"},
	}
	for _, c := range cases {
		for dialect, path := range map[string]string{"openai": "/v1/chat/completions", "anthropic": "/v1/messages"} {
			t.Run(fmt.Sprintf("%s/%s/stream=%v", dialect, c.script, c.stream), func(t *testing.T) {
				t.Parallel()
				body := openAIBody("gpt-5#"+c.script, c.stream)
				if dialect == "anthropic" {
					body = chatBody("claude-opus-4-6#"+c.script, c.stream)
				}
				status, got, err := post(m, path, body)
				if c.status == 0 && (status == http.StatusOK || status == http.StatusBadGateway) {
					status = 0
				}
				if err != nil || status != c.status || !strings.Contains(string(got), c.code) {
					t.Errorf("status %d, want %d and %s: %v\n%s", status, c.status, c.code, err, got)
				}
				if strings.HasSuffix(string(got), "data: [DONE]\n\n") || strings.Contains(string(got), "message_stop") {
					t.Errorf("it looks complete:\n%s", got)
				}
			})
		}
	}
}

// TestErrorWordForWord: the provider's status and words reach the client, keys in them don't.
func TestErrorWordForWord(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	m.Sim.Replay(sim.Replay{
		Path: "/v1/chat/completions", Contains: "quote-my-key", Status: 400,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   []byte(`{"error":{"message":"Key ` + mesh.ProviderKey + ` may not use sk-another0123456789 here","type":"invalid_request_error","param":null,"code":"odd"}}`),
	})
	m.Sim.Replay(sim.Replay{
		Path: "/v1/messages", Contains: "plain-text", Status: 422,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("upstream connect error\n"),
	})
	m.Sim.Replay(sim.Replay{Path: "/v1/messages", Contains: "redirect-me", Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/"}}})

	status, got, _ := post(m, "/v1/chat/completions", openAIBody("gpt-quote-my-key", false))
	if status != 400 || !strings.Contains(string(got), `"code":"odd"`) || !strings.Contains(string(got), "may not use") {
		t.Errorf("status %d: %s", status, got)
	}
	if strings.Contains(string(got), mesh.ProviderKey) || strings.Contains(string(got), "sk-another") {
		t.Errorf("a key reached the client: %s", got)
	}
	status, got, _ = post(m, "/v1/messages", chatBody("claude-plain-text", false))
	if status != 422 || !strings.Contains(string(got), `"type":"error"`) || !strings.Contains(string(got), "upstream connect error") {
		t.Errorf("status %d: %s", status, got)
	}
	status, got, _ = post(m, "/v1/messages", chatBody("claude-redirect-me", false))
	if status != 502 || !strings.Contains(string(got), "PROVIDER_MALFORMED") {
		t.Errorf("status %d: %s", status, got)
	}
}

// TestRelayKeepsBytes: what the provider gets and what the client gets are the other side's bytes, but for the model, the
// usage option and the credential.
func TestRelayKeepsBytes(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Extra: "models:\n  alias: {targets: [{provider: openai, model: gpt-kept}]}\n"})
	answer := "{ \"choices\" : [],\n \"novel_field\": 12345678901234567890.10, \"x\":\"\\u00e9\" }"
	m.Sim.Replay(sim.Replay{Path: "/v1/chat/completions", Contains: "gpt-kept", Status: 200, Header: http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"a=b"}, "X-Request-Id": {"req_upstream"}}, Body: []byte(answer)})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL("/v1/chat/completions?beta=true"),
		strings.NewReader(`{ "novel": 1e400, "model" : "alias", "messages":[{"role":"user","content":"\u00e9"}] }`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"X-Api-Key": mesh.Key, "X-Forwarded-For": "1.2.3.4", "Cookie": "c=d", "X-Headgate-Internal-Peer": "x", "Openai-Organization": "org-client", "X-Request-Id": "my-own.id",
	} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if string(body) != answer {
		t.Errorf("the client got %s", body)
	}
	want := map[string]string{
		"X-Request-Id": "my-own.id", "Request-Id": "my-own.id", "X-Headgate-Provider": "openai", "X-Headgate-Model": "gpt-kept",
		"X-Headgate-Upstream-Request-Id": "req_upstream", "X-Headgate-Attempts": "1", "X-Headgate-Cache": "off", "Set-Cookie": "",
	}
	for name, value := range want {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	sent := slices.DeleteFunc(m.Sim.Requests(), func(r sim.Request) bool { return r.Method != http.MethodPost }) // health checks
	last := sent[len(sent)-1]
	if got := string(last.Body); got != `{ "novel": 1e400, "model" : "gpt-kept", "messages":[{"role":"user","content":"\u00e9"}] }` {
		t.Errorf("the provider got %s", got)
	}
	if got := last.Header.Get("Authorization"); got != "Bearer "+mesh.ProviderKey {
		t.Errorf("the provider got the credential %q", got)
	}
	for _, name := range []string{"X-Api-Key", "X-Forwarded-For", "Cookie", "X-Headgate-Internal-Peer", "Openai-Organization"} {
		if got := last.Header.Get(name); got != "" {
			t.Errorf("%s reached the provider: %q", name, got)
		}
	}
}

// TestStreamsFlowAtOnce: every event reaches the client while the provider is still silent about the next.
func TestStreamsFlowAtOnce(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Extra: "gateway: {heartbeat: 150ms}\n"})
	for dialect, c := range map[string]struct{ path, body, beat string }{
		"openai":    {"/v1/chat/completions", openAIBody("gpt-5#chunks=3,stall=2", true), ": ping"},
		"anthropic": {"/v1/messages", chatBody("claude-opus-4-6#chunks=3,stall=5", true), "event: ping"},
	} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			lines := open(ctx, t, m, c.path, c.body)
			events, beats := 0, 0
			for events < 2 || beats < 3 { // the provider stalls: what comes has been flushed
				if !lines.Scan() {
					t.Fatalf("ended after %d events and %d heartbeats: %v", events, beats, lines.Err())
				}
				switch line := lines.Text(); {
				case line == c.beat:
					beats++
				case strings.HasPrefix(line, "data: {"):
					events++
				}
			}
		})
	}
}

// TestEarlyHeartbeat: a provider that thinks before it answers at all doesn't leave the line silent, and what it says
// then, an error too, arrives within the stream.
func TestEarlyHeartbeat(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Extra: "gateway: {heartbeat: 100ms}\n"})
	for script, want := range map[string]string{"header_delay=400ms,chunks=2": "data: [DONE]", "header_delay=400ms,status=503": `data: {"error":`} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			status, got, err := post(m, "/v1/chat/completions", openAIBody("gpt-5#"+script, true))
			if err != nil || status != http.StatusOK || !strings.HasPrefix(string(got), ": ping\n\n") || !strings.Contains(string(got), want) {
				t.Errorf("status %d, %v:\n%s", status, err, got)
			}
		})
	}
}

// open starts a stream and returns its lines.
func open(ctx context.Context, t *testing.T, m *mesh.Mesh, path, body string) *bufio.Scanner {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return bufio.NewScanner(resp.Body)
}

// TestCancelReachesProvider: a client that leaves takes the provider's stream with it (promise S5).
func TestCancelReachesProvider(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		ctx, cancel := context.WithCancel(t.Context())
		lines := open(ctx, t, m, "/v1/chat/completions", openAIBody("gpt-5#chunks=3,stall=2", true))
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		left := time.Now()
		cancel()
		for deadline := time.After(5 * time.Second); ; {
			if s := m.Sim.Stats(); s.Cancelled > 0 {
				if took := s.Cancels[0].At.Sub(left); took > 2*time.Second {
					t.Errorf("the provider was left alone after %s", took)
				}
				return
			}
			select {
			case <-deadline:
				t.Fatal("the provider still streams")
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
}

// TestFailover: while nothing was sent the next target takes over, in both ways in.
func TestFailover(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Extra: "models:\n  sturdy: {targets: [{provider: openai, model: \"gpt-5#status=503\"}, {provider: openai, model: \"gpt-5#cut=0\"}, {provider: openai, model: gpt-5-mini}]}\n"})
	for _, stream := range []bool{true, false} {
		status, got, err := post(m, "/v1/chat/completions", openAIBody("sturdy", stream))
		if err != nil || status != http.StatusOK || !strings.Contains(string(got), "gpt-5-mini") {
			t.Errorf("stream=%v: status %d, %v: %s", stream, status, err, got)
		}
	}
}
