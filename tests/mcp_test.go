package tests

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// The protocols that matter: the one without sessions, the one most clients speak today, and the first over streamable HTTP.
const mcpNewest, mcpCommon, mcpOldest = "2026-07-28", "2025-11-25", "2025-03-26"

// keyed sends a key with every request, and headers beside it.
type keyed struct {
	base    http.RoundTripper
	key     string
	headers map[string]string
}

func (k *keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if k.key != "" {
		r.Header.Set("Authorization", "Bearer "+k.key)
	}
	for name, value := range k.headers {
		r.Header.Set(name, value)
	}
	return k.base.RoundTrip(r)
}

type mcpOptions struct {
	key, version string
	headers      map[string]string
	progress     func(*mcp.ProgressNotificationParams)
}

// connectMCP is the official SDK's client.
func connectMCP(t *testing.T, m *mesh.Mesh, o mcpOptions) (*mcp.ClientSession, error) {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			if o.progress != nil {
				o.progress(r.Params)
			}
		},
	})
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: m.URL("/mcp"), MaxRetries: -1,
		HTTPClient: &http.Client{Transport: &keyed{base: base, key: o.key, headers: o.headers}},
	}, &mcp.ClientSessionOptions{ProtocolVersion: o.version})
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

func mcpSession(t *testing.T, m *mesh.Mesh, o mcpOptions) *mcp.ClientSession {
	t.Helper()
	session, err := connectMCP(t, m, o)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// useTool calls a tool and returns its data, or what it says of its failure.
func useTool(t *testing.T, s *mcp.ClientSession, name, arguments string) (map[string]any, string) {
	t.Helper()
	result, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: json.RawMessage(arguments)})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if result.IsError {
		return nil, result.Content[0].(*mcp.TextContent).Text
	}
	return result.StructuredContent.(map[string]any), ""
}

// TestMCP: an agent lists models, asks one, counts, explains, and sees its own quota and usage, in one process and split.
func TestMCP(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"agent","tenant":"acme","models":["gpt-*","claude-*"],"limits":{"requests_per_minute":600}`)
		for _, version := range []string{mcpNewest, mcpCommon, mcpOldest} {
			t.Run(version, func(t *testing.T) {
				session := mcpSession(t, m, mcpOptions{key: k.Secret, version: version})
				tools, err := session.ListTools(t.Context(), nil)
				if err != nil || len(tools.Tools) != 9 {
					t.Fatalf("%v %v", err, tools)
				}
				models, failure := useTool(t, session, "list_models", `{}`)
				if failure != "" || len(models["models"].([]any)) == 0 || strings.Contains(mustJSON(models), "vllm") {
					t.Errorf("%s %v", failure, models)
				}
				whole, failure := useTool(t, session, "chat", `{"model":"gpt-5","prompt":"Explain RAG","tags":{"team":"search","v":"`+version+`"}}`)
				if failure != "" || whole["text"] == "" || whole["finish_reason"] != "stop" || whole["provider"] != "openai" {
					t.Errorf("%s %v", failure, whole)
				}
				id := whole["request_id"].(string)
				eventually(t, "the call is in the ledger", func() bool {
					list := rows(t, m, k.Secret, "filter.request_id="+id)
					return len(list) == 1 && list[0].KeyID == k.Key.ID && list[0].Tenant == "acme" && list[0].Outcome == "OUTCOME_COMPLETE" &&
						list[0].Tags["team"] == "search" && float64(list[0].Tokens.Output) == whole["usage"].(map[string]any)["output_tokens"]
				})
				used, failure := useTool(t, session, "query_usage", `{"request_id":"`+id+`","group_by":["model"]}`)
				if failure != "" || !strings.Contains(mustJSON(used), `"group":["gpt-5"]`) || !strings.Contains(mustJSON(used), `"requests":1`) {
					t.Errorf("%s %v", failure, used)
				}
				counted, failure := useTool(t, session, "count_tokens", `{"model":"claude-opus-4-6","prompt":"Explain RAG"}`)
				if failure != "" || counted["input_tokens"].(float64) <= 0 {
					t.Errorf("%s %v", failure, counted)
				}
				route, failure := useTool(t, session, "explain_route", `{"model":"gpt-5","prompt":"Hi","sensitivity":"low"}`)
				if failure != "" || !strings.Contains(mustJSON(route), `"chosen":true`) || !strings.Contains(mustJSON(route), `"sensitivity":"low"`) {
					t.Errorf("%s %v", failure, route)
				}
				quota, failure := useTool(t, session, "get_quota", `{}`)
				if failure != "" || quota["key_id"] != k.Key.ID || !strings.Contains(mustJSON(quota), `"limit":600`) {
					t.Errorf("%s %v", failure, quota)
				}
				for _, uri := range []string{"headgate://models", "headgate://usage"} {
					r, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
					if err != nil || !strings.Contains(r.Contents[0].Text, "gpt-5") {
						t.Errorf("%s: %v %v", uri, err, r)
					}
				}
			})
		}
	})
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestMCPProgress: the text comes while the model writes it, and ends up the same.
func TestMCPProgress(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		for _, model := range []string{"gpt-5", "claude-opus-4-6"} {
			said := make(chan *mcp.ProgressNotificationParams, 1000)
			session := mcpSession(t, m, mcpOptions{key: mesh.Key, version: mcpNewest, progress: func(p *mcp.ProgressNotificationParams) { said <- p }})
			params := &mcp.CallToolParams{Name: "chat", Arguments: json.RawMessage(`{"model":"` + model + `#chunk_delay=120ms","prompt":"Explain RAG","max_output_tokens":12}`)}
			params.SetProgressToken("t")
			result, err := session.CallTool(t.Context(), params)
			if err != nil || result.IsError {
				t.Fatal(err, mustJSON(result))
			}
			text, _ := result.StructuredContent.(map[string]any)["text"].(string)
			if len(said) < 2 {
				t.Fatalf("%s: only %d notifications for %q", model, len(said), text)
			}
			first := <-said
			if !strings.HasPrefix(text, first.Message) || first.Message == "" || first.ProgressToken != "t" {
				t.Errorf("%s: %+v isn't how %q begins", model, first, text)
			}
			if second := <-said; second.Progress <= first.Progress {
				t.Errorf("%s: progress %v after %v", model, second.Progress, first.Progress)
			}
		}
	})
}

// TestMCPCancel: who cancels or leaves ends the provider's call within a moment, in every protocol.
func TestMCPCancel(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		for _, version := range []string{mcpNewest, mcpCommon, mcpOldest} {
			before := m.Sim.Stats()
			session := mcpSession(t, m, mcpOptions{key: mesh.Key, version: version})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				params := &mcp.CallToolParams{Name: "chat", Arguments: json.RawMessage(`{"model":"gpt-5#chunk_delay=1s","prompt":"Explain RAG"}`)}
				params.SetProgressToken("t")
				_, err := session.CallTool(ctx, params)
				ended <- err
			}()
			eventually(t, "the provider answers", func() bool { return m.Sim.Stats().Streams > before.Streams })
			cancel()
			began := time.Now()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", version, err)
			}
			eventually(t, "the provider's call is over", func() bool { return m.Sim.Stats().Cancelled > before.Cancelled })
			t.Logf("%s: the provider was left after %s", version, time.Since(began).Round(time.Millisecond))
		}
	})
}

// TestMCPCancelNotification: a client that only says so, and goes on listening, ends the provider's call too.
func TestMCPCancelNotification(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		say := func(body string, headers ...string) (*http.Response, string) {
			resp, got := ask(t, m, mesh.Key, http.MethodPost, "/mcp", body, append(headers,
				"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", mcpCommon)...)
			return resp, string(got)
		}
		resp, _ := say(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
		session := resp.Header.Get("Mcp-Session-Id")
		before := m.Sim.Stats()
		answer := make(chan string, 1)
		go func() {
			_, got, err := try(t, m, mesh.Key, http.MethodPost, "/mcp",
				`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"chat","arguments":{"model":"gpt-5#ttft=20s","prompt":"Hi"}}}`,
				"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "Mcp-Session-Id", session)
			if err != nil {
				got = []byte(err.Error())
			}
			answer <- string(got)
		}()
		eventually(t, "the provider is asked", func() bool { return m.Sim.Stats().Requests > before.Requests })
		if resp, got := say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}`, "Mcp-Session-Id", session); resp.StatusCode != http.StatusAccepted {
			t.Errorf("%d %s", resp.StatusCode, got)
		}
		if got := <-answer; !strings.Contains(got, "CANCELLED") {
			t.Errorf("%s", got)
		}
		eventually(t, "the provider's call is over", func() bool { return m.Sim.Stats().Cancelled > before.Cancelled })
	})
}

// TestMCPKeys: access, limits and models hold as everywhere, and what goes wrong is told in a sentence.
func TestMCPKeys(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		for name, key := range map[string]string{"none": "", "wrong": "hg_live_wrong"} {
			if _, err := connectMCP(t, m, mcpOptions{key: key, version: mcpCommon}); err == nil || !strings.Contains(err.Error(), "Unauthorized") {
				t.Errorf("%s: %v", name, err)
			}
		}
		viewer := mcpSession(t, m, mcpOptions{key: makeKey(t, m, mesh.Key, `"name":"v","tenant":"acme","role":"ROLE_VIEWER"`).Secret})
		if _, failure := useTool(t, viewer, "chat", `{"model":"gpt-5","prompt":"Hi"}`); !strings.HasPrefix(failure, "PERMISSION_DENIED") {
			t.Errorf("a viewer: %q", failure)
		}
		if _, failure := useTool(t, viewer, "query_usage", `{}`); failure != "" {
			t.Errorf("a viewer: %q", failure)
		}
		narrow := mcpSession(t, m, mcpOptions{key: makeKey(t, m, mesh.Key, `"name":"n","tenant":"acme","models":["gpt-*"],"limits":{"requests_per_minute":2}`).Secret})
		if _, failure := useTool(t, narrow, "chat", `{"model":"claude-opus-4-6","prompt":"Hi"}`); !strings.HasPrefix(failure, "MODEL_NOT_ALLOWED") {
			t.Errorf("another model: %q", failure)
		}
		limited := ""
		for range 4 {
			if _, limited = useTool(t, narrow, "chat", `{"model":"gpt-5","prompt":"Hi"}`); limited != "" {
				break
			}
		}
		if !strings.HasPrefix(limited, "RATE_LIMITED") || !strings.Contains(limited, "try again in") {
			t.Errorf("limits: %q", limited)
		}
	})
}

// TestMCPFailures: the provider's failures and the mesh's are results of the tool, without what nobody may see.
func TestMCPFailures(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	session := mcpSession(t, m, mcpOptions{key: mesh.Key, headers: map[string]string{"X-Headgate-Timeout-Ms": "1000"}})
	cases := map[string]struct{ arguments, says string }{
		"unknown model":          {`{"model":"nobody-knows","prompt":"Hi"}`, "MODEL_NOT_FOUND"},
		"provider refuses":       {`{"model":"gpt-5#status=400","prompt":"Hi"}`, "PROVIDER_ERROR"},
		"our key is refused":     {`{"model":"gpt-5#status=401","prompt":"Hi"}`, "PROVIDER_CREDENTIALS"},
		"garbage":                {`{"model":"gpt-5#garbage","prompt":"Hi"}`, "PROVIDER_MALFORMED"},
		"a header's deadline":    {`{"model":"gpt-5#ttft=20s","prompt":"Hi"}`, "TIMEOUT"},
		"nobody is trusted":      {`{"model":"gpt-5","prompt":"Hi","sensitivity":"high"}`, "SENSITIVITY"},
		"a temperature too high": {`{"model":"gpt-4o","prompt":"Hi","temperature":99}`, "INVALID_FIELD: temperature must be from 0 to 2"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, failure := useTool(t, session, "chat", c.arguments)
			if !strings.HasPrefix(failure, c.says) || strings.Contains(failure, mesh.ProviderKey) || strings.HasPrefix(failure, "INTERNAL") {
				t.Errorf("%q, want %s", failure, c.says)
			}
		})
	}
	if strings.Contains(m.Log(), "level=ERROR") {
		t.Error("the log has errors")
	}
}

// TestMCPBehindTwoGateways: any gateway answers any request of a conversation.
func TestMCPBehindTwoGateways(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Split: true})
	other := m.StartGateway(t, m)
	turns := 0
	base := http.DefaultTransport
	alternate := roundTrip(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+mesh.Key)
		if turns++; turns%2 == 0 {
			r.URL.Host, r.Host = other.HTTP, other.HTTP
		}
		return base.RoundTrip(r)
	})
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: m.URL("/mcp"), HTTPClient: &http.Client{Transport: alternate}, MaxRetries: -1, DisableStandaloneSSE: true,
	}, &mcp.ClientSessionOptions{ProtocolVersion: mcpCommon})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	for range 6 {
		if _, failure := useTool(t, session, "chat", `{"model":"gpt-5","prompt":"Hi"}`); failure != "" {
			t.Fatal(failure)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestMCPSettled: what a gateway does for agents leaves nothing behind.
func TestMCPSettled(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	session := mcpSession(t, m, mcpOptions{key: mesh.Key, version: mcpCommon})
	run := func(n int) {
		for range n {
			if _, failure := useTool(t, session, "list_models", `{}`); failure != "" {
				t.Fatal(failure)
			}
		}
	}
	run(50)
	before := goroutines(t, m)
	run(500)
	eventually(t, "goroutines are as before", func() bool { return goroutines(t, m) <= before+5 })
}

// goroutines are the process's, by its own metrics.
func goroutines(t *testing.T, m *mesh.Mesh) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+m.Ops+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, value, ok := strings.Cut(string(text), "\ngo_goroutines ")
	n, err := strconv.Atoi(strings.Fields(value + " ")[0])
	if !ok || err != nil {
		t.Fatalf("no go_goroutines: %v", err)
	}
	return n
}
