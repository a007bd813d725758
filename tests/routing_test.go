package tests

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

const duo = `  cloud: {kind: openai, api_key: k, base_url: "http://${UPSTREAM}/cloud/v1"}
  sky: {kind: anthropic, api_key: k, base_url: "http://${UPSTREAM}/sky"}
models:
  duo: {targets: [{provider: cloud, model: gpt-5}, {provider: sky, model: claude-opus-4-6}]}
  solo: {targets: [{provider: cloud, model: gpt-5-mini}]}
`

// TestBreaker: a target that fails is spared, visibly, while the next one answers; the last one left is asked all the
// same; and it comes back once it is well.
func TestBreaker(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: duo})
	f.faults(t, "cloud", "status=503,retry_after=0")
	call := func(model string) (int, string) {
		resp, _ := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody(model, false))
		return resp.StatusCode, resp.Header.Get("X-Headgate-Provider")
	}
	for range 24 {
		if status, provider := call("duo"); status != http.StatusOK || provider != "sky" {
			t.Fatalf("%d from %s", status, provider)
		}
		_, _ = call("solo")
	}
	if open := targetOf(t, m, "duo", "cloud"); open.Breaker != "BREAKER_STATE_OPEN" || open.BreakerUntil == "" {
		t.Errorf("%+v", open)
	}
	metric := regexp.MustCompile(`headgate_target_breaker_state\{[^}]*gen_ai_request_model="gpt-5"[^}]*headgate_provider="cloud"[^}]*\} 2`)
	if text := fetch(t, "http://"+m.Ops+"/metrics"); !metric.MatchString(text) {
		t.Errorf("no metric of the open breaker: %s", linesOf(text, "breaker_state"))
	}
	asked := f.count("cloud")
	for range 10 {
		if status, provider := call("duo"); status != http.StatusOK || provider != "sky" {
			t.Errorf("%d from %s", status, provider)
		}
	}
	if n := f.count("cloud") - asked; n > 0 {
		t.Errorf("cloud was asked %d times while its breaker was open", n)
	}
	_, body := ask(t, m, mesh.Key, http.MethodPost, "/api/v1/routes:explain", `{"model":"duo"}`)
	if !regexp.MustCompile(`"reason":\s*"breaker open for [1-6]s"`).Match(body) {
		t.Errorf("explained: %s", body)
	}
	if status, _ := call("solo"); status != http.StatusServiceUnavailable || f.count("cloud") == asked {
		t.Errorf("the last candidate wasn't asked: %d", status)
	}
	f.faults(t, "cloud", "none")
	if status, provider := call("solo"); status != http.StatusOK || provider != "cloud" {
		t.Errorf("the last candidate: %d from %s", status, provider)
	}
	eventually(t, "cloud is back", func() bool {
		<-time.After(100 * time.Millisecond)
		_, provider := call("duo")
		return provider == "cloud" && targetOf(t, m, "duo", "cloud").Breaker == "BREAKER_STATE_CLOSED"
	})
}

func linesOf(text, word string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestCallersFaultsOpenNoBreaker: what is wrong with requests says nothing about the provider, and neither does a caller
// that leaves or is in a hurry.
func TestCallersFaultsOpenNoBreaker(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: duo})
	for _, c := range []struct{ script, header, value string }{
		{"status=400", "", ""},
		{"status=404", "", ""},
		{"status=413", "", ""},
		{"status=422", "", ""},
		{"ttft=3s", "X-Headgate-Timeout-Ms", "20"},
		{"ttft=3s", "X-Headgate-First-Content-Ms", "20"},
	} {
		f.faults(t, "cloud", c.script)
		atOnce(8, 24, func(int) {
			headers := []string{}
			if c.header != "" {
				headers = []string{c.header, c.value}
			}
			_, _, _ = try(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("solo", c.header == "X-Headgate-First-Content-Ms"), headers...)
		})
		if target := targetOf(t, m, "solo", "cloud"); target.Breaker != "BREAKER_STATE_CLOSED" {
			t.Errorf("%s %s: %+v", c.script, c.header, target)
		}
	}
}

// TestPriority: what can wait is let in only where there is room to spare, over HTTP and gRPC.
func TestPriority(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: duo + "gateway: {max_in_flight: 10}\n"})
	f.faults(t, "cloud", "ttft=3s")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _, _, _ = try(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("solo", false)) })
	}
	eventually(t, "eight calls are under way", func() bool { return f.count("cloud") == 8 })
	f.faults(t, "cloud", "none")
	for name, c := range map[string]struct {
		priority string
		status   int
	}{"batch": {"batch", 503}, "interactive": {"interactive", 200}, "unsaid": {"", 200}} {
		resp, body := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("solo", false), "X-Headgate-Priority", c.priority)
		if resp.StatusCode != c.status || c.status == 503 && (resp.Header.Get("Retry-After") == "" || !bytes.Contains(body, []byte("OVERLOADED"))) {
			t.Errorf("%s: %d %v: %s", name, resp.StatusCode, resp.Header, tail(body))
		}
	}
	wg.Wait()
	if resp, body := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("solo", false), "X-Headgate-Priority", "batch"); resp.StatusCode != http.StatusOK {
		t.Errorf("batch, with room: %d: %s", resp.StatusCode, tail(body))
	}
	if resp, _ := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("solo", false), "X-Headgate-Priority", "later"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a word that is none: %d", resp.StatusCode)
	}
}
