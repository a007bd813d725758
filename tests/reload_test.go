package tests

import (
	"bufio"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestReload: a changed file comes in force by itself, and at once with a signal; a bad one leaves the last good one in
// force and says where it is wrong; what is under way goes on as it began.
func TestReload(t *testing.T) {
	t.Parallel()
	for _, split := range []bool{false, true} {
		t.Run(map[bool]string{false: "all", true: "split"}[split], func(t *testing.T) {
			t.Parallel()
			m := mesh.Start(t, mesh.Options{Split: split, Extra: "models: {first: {targets: [{provider: openai, model: gpt-5}]}}\n"})
			model := func(name string) int {
				resp, _ := ask(t, m, mesh.Key, http.MethodPost, "/v1/chat/completions", openAIBody(name, false))
				return resp.StatusCode
			}
			if got := model("first"); got != 200 {
				t.Fatalf("first: %d", got)
			}
			under := startSlowStream(t, m, "first")
			m.Configure(t, "models: {second: {targets: [{provider: claude, model: claude-opus-4-6}]}}\n")
			eventually(t, "the new model answers", func() bool { return model("second") == 200 })
			if got := model("first"); got != 404 {
				t.Errorf("the old model: %d", got)
			}
			m.Configure(t, "modles: {third: {targets: []}}\n")
			if err := m.Process("router").Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the mistake is told", func() bool {
				return strings.Contains(m.Log(), "the last good one stays in force") && strings.Contains(m.Log(), "modles: unknown field; did you mean models?")
			})
			if got := model("second"); got != 200 {
				t.Errorf("after a bad file: %d", got)
			}
			m.Configure(t, "models: {third: {targets: [{provider: openai, model: gpt-5}]}}\n")
			if err := m.Process("router").Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the third model answers", func() bool { return model("third") == 200 })
			under()
		})
	}
}

// startSlowStream begins a stream of a few seconds; the function it returns waits for its end, which has to be a good one.
func startSlowStream(t *testing.T, m *mesh.Mesh, model string) (end func()) {
	t.Helper()
	body := `{"model":"` + model + `","stream":true,"metadata":{"sim":"chunk_delay=60ms"},"messages":[{"role":"user","content":"Explain RAG"}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL("/v1/chat/completions"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatalf("the stream's status is %d", resp.StatusCode)
	}
	return func() {
		defer resp.Body.Close()
		done := false
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			done = done || lines.Text() == "data: [DONE]"
		}
		if !done {
			t.Error("what was under way didn't go on to its end")
		}
	}
}

// TestConfigPrint shows what is in force, defaults included, and no secret; what it prints can be read again.
func TestConfigPrint(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Extra: "models: {first: {targets: [{provider: openai, model: gpt-5}]}}\n"})
	out, err := exec.CommandContext(t.Context(), mesh.Binary(t), "config", "print", "--config", m.File()).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"strategy: failover", "first_content: 2m", "max_in_flight: 8192", "api_key: '[redacted]'", "secret: '[redacted]'",
		"backend: memory", "lease_time: 2s", "level: info",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("without %q:\n%s", want, out)
		}
	}
	if strings.Contains(string(out), mesh.ProviderKey) || strings.Contains(string(out), "a-secret-for-tests-only") {
		t.Errorf("a secret is printed:\n%s", out)
	}
}
