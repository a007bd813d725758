package tests

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestRulesTimers: a rule's timers hold, and so do a caller's shorter ones, each named in the error.
func TestRulesTimers(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: governed})
	cases := map[string]struct {
		script, timer string
		stream        bool
		headers       []string
	}{
		"the rule's first content":   {"ttft=5s", "first_content timer", true, []string{"X-Headgate-Tags", "pace=quick"}},
		"the rule's total":           {"ttft=5s", "total timer", false, []string{"X-Headgate-Tags", "pace=quick"}},
		"the caller's first content": {"ttft=5s", "first_content timer", true, []string{"X-Headgate-First-Content-Ms", "150"}},
		"the caller's gap":           {"stall=8", "gap timer", true, []string{"X-Headgate-Gap-Ms", "150"}},
		"the caller's total":         {"ttft=5s", "own deadline", false, []string{"X-Headgate-Timeout-Ms", "150"}},
		"the shorter one":            {"ttft=5s", "first_content timer", true, []string{"X-Headgate-Tags", "pace=quick", "X-Headgate-First-Content-Ms", "100"}},
		"not the longer one":         {"ttft=5s", "first_content timer", true, []string{"X-Headgate-Tags", "pace=quick", "X-Headgate-First-Content-Ms", "60000"}},
	}
	for name, c := range cases {
		for path, model := range map[string]string{chatPath: "cloud/gpt-5", "/v1/messages": "sky/claude-opus-4-6"} {
			t.Run(name+" of "+model, func(t *testing.T) {
				t.Parallel()
				body := strings.Replace(openAIBody(model+"#"+c.script, c.stream), "Explain RAG", name, 1)
				if path == "/v1/messages" {
					body = strings.Replace(chatBody(model+"#"+c.script, c.stream), "Explain RAG", name, 1)
				}
				began := time.Now()
				resp, got := ask(t, m, mesh.Key, http.MethodPost, path, body, c.headers...)
				if c.timer != "gap timer" && resp.StatusCode != http.StatusGatewayTimeout { // after a gap the status is out already
					t.Errorf("%d: %s", resp.StatusCode, tail(got))
				}
				if !bytes.Contains(got, []byte(c.timer)) {
					t.Errorf("no word of %q: %s", c.timer, tail(got))
				}
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}
