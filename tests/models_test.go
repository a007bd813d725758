package tests

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestModelsBySDK: the list and its entries as both SDKs read them, names with a slash included: the SDKs escape it.
func TestModelsBySDK(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Extra: "models:\n  team/assistant: {targets: [{provider: openai, model: gpt-5}, {provider: claude, model: claude-opus-4-6}]}\n"})
	one, err := openAIClient(m).Models.Get(t.Context(), "team/assistant")
	if err != nil || one.ID != "team/assistant" {
		t.Errorf("%v, %v", one, err)
	}
	page, err := openAIClient(m).Models.List(t.Context())
	if err != nil || page.Data[0].ID != "team/assistant" || !slices.ContainsFunc(page.Data, func(m openai.Model) bool { return m.ID == "gpt-5" }) {
		t.Errorf("%v, %v", page, err)
	}
	if got := get(t, m, "/v1/models/team/assistant"); got != http.StatusOK {
		t.Errorf("with a plain slash: status %d", got)
	}
	if got := get(t, m, "/v1/models/nobody"); got != http.StatusNotFound {
		t.Errorf("of nobody: status %d", got)
	}
}

func get(t *testing.T, m *mesh.Mesh, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.URL(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestRetryAdvice: the SDKs retry every 5xx unless told otherwise, which would only multiply what Headgate has tried
// already.
func TestRetryAdvice(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	for script, want := range map[string]string{"status=401": "false", "garbage": "false", "status=429,should_retry=true": "false", "status=503,retry_after_ms=50": "false"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL("/v1/chat/completions"), strings.NewReader(openAIBody("gpt-5#"+script, false)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+mesh.Key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("X-Should-Retry"); got != want {
			t.Errorf("%s: x-should-retry is %q, want %q", script, got, want)
		}
		if script == "status=503,retry_after_ms=50" && resp.Header.Get("Retry-After-Ms") != "50" {
			t.Errorf("the provider's retry-after-ms is lost: %v", resp.Header)
		}
	}
}
