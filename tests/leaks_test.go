package tests

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestSecretsLeaveNoTrace: whatever becomes of a call, what it was about is in no log (at debug), no metric, no usage row,
// no span and no file.
func TestSecretsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	for name, split := range map[string]bool{"all": false, "split": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "cloud", "sky", "home", "shed")
			f.before = echo
			spans := &collector{}
			m := mesh.Start(t, mesh.Options{Upstream: f, Split: split, Env: []string{
				"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + serveCollector(t, spans), "OTEL_BSP_SCHEDULE_DELAY=50",
			}, Extra: trusted + alwaysLook + `log: {level: debug}
tracing: {sample_ratio: 1}
rules:
  - {name: scrub, when: 'tags.scrub == "yes"', redact: [all]}
  - {name: broken, when: 'tags.broken == "yes" && int(model) > 0', model: mixed}
  - {name: no, when: 'tags.no == "yes" && sensitivity >= HIGH', deny: "not here"}
  - {name: look, when: 'sensitivity >= HIGH && "card" in detected', model: mixed}
`})
			secrets := strings.Join([]string{cardNumber, bankAccount, accessToken}, " and ")
			for _, p := range secretPlaces {
				for _, tags := range []string{"", "scrub=yes", "broken=yes", "no=yes"} {
					for _, model := range []string{"mixed", "hosted", "home/echo-400", "home/echo-503", "home/echo-401", "home/echo-stream", "home/echo-page", "home/echo-odd", "home/echo-broken", "nobody-knows"} {
						_, _, _ = try(t, m, mesh.Key, http.MethodPost, p.path, fmt.Sprintf(p.body, model, secrets), "X-Headgate-Tags", tags)
					}
				}
				_, _ = ask(t, m, mesh.Key, http.MethodPost, p.path, fmt.Sprintf(p.body, "mixed", secrets)[:len(p.body)-20])
				_, _ = ask(t, m, mesh.Key, http.MethodPost, "/api/v1/routes:explain", explainBody(p.path, fmt.Sprintf(p.body, "mixed", secrets)))
			}
			eventually(t, "rows and spans are there", func() bool { return len(rows(t, m, mesh.Key, "")) > 100 && spans.size() > 100 })
			checkTraces(t, m, spans)
		})
	}
}

// echo is a provider that repeats what it was asked in its errors, as some do.
func echo(w http.ResponseWriter, r *http.Request, _ string) (done bool) {
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	r.Body = ioNop(body.Bytes())
	var asked struct {
		Model  string
		Stream bool
	}
	_ = json.Unmarshal(body.Bytes(), &asked)
	how, ok := strings.CutPrefix(asked.Model, "echo-")
	if !ok {
		return false
	}
	problem, _ := json.Marshal(map[string]any{"error": map[string]any{"message": "can't take " + body.String(), "type": "BadRequestError", "code": body.String(), "param": body.String()}})
	if how == "stream" {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: %s\n\ndata: [DONE]\n\n", problem)
		return true
	}
	switch how { // what is no answer, and what isn't quite one
	case "page":
		_, _ = fmt.Fprintf(w, "<html>%s</html>", body.Bytes())
		return true
	case "odd":
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":%s,"choices":%q}`, body.Bytes(), body.Bytes())
		return true
	case "broken":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "data: {%q\n\n", body.Bytes())
		return true
	}
	status, _ := strconv.Atoi(how)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "0")
	w.WriteHeader(status)
	_, _ = w.Write(problem)
	return true
}

func (c *collector) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.spans)
}

// checkTraces looks for the secrets in everything that a mesh leaves behind.
func checkTraces(t *testing.T, m *mesh.Mesh, spans *collector) {
	t.Helper()
	left := map[string]string{"log": m.Log()}
	for _, addr := range m.OpsAddrs() {
		left["metrics of "+addr] = fetch(t, "http://"+addr+"/metrics")
	}
	_, events := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/usage/events", "")
	left["usage events"] = string(events)
	_, targets := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/targets", "")
	left["targets"] = string(targets)
	spans.mu.Lock()
	for _, s := range spans.spans {
		left["spans"] += s.String() + "\n"
	}
	spans.mu.Unlock()
	err := filepath.WalkDir(filepath.Dir(m.File()), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			data, _ := os.ReadFile(path)
			left[filepath.Base(path)] += string(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range left {
		for _, secret := range []string{cardNumber, bankAccount, accessToken} {
			for i, form := range forms(secret) {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("%s has %s in form %d: ...%s...", where, secret, i, text[max(0, at-300):min(len(text), at+40)])
				}
			}
		}
	}
	for _, want := range []string{"headgate.sensitivity", "headgate.rule"} { // the label itself does travel
		if !strings.Contains(left["spans"], want) {
			t.Errorf("no span has %s", want)
		}
	}
	if !strings.Contains(left["log"], "sensitivity=high") || !strings.Contains(left["usage events"], "SENSITIVITY_HIGH") {
		t.Error("the label isn't in the log, or not in the books")
	}
	if !strings.Contains(left["log"], "level=DEBUG") || len(left["spans"]) < 1000 || len(left["usage events"]) < 1000 {
		t.Error("there is nothing to look into: this test can't fail")
	}
}

// forms are a secret as it is, in base64 at each of the three places it may begin at, and escaped for an address.
func forms(secret string) []string {
	list := []string{secret, url.QueryEscape(secret)}
	for shift := range 3 {
		coded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		list = append(list, coded[(shift*8+5)/6:len(coded)-2])
	}
	return list
}

// explainBody asks how a request would be routed, whichever way it came.
func explainBody(path, body string) string {
	dialect := map[string]string{chatPath: "DIALECT_OPENAI", "/v1/messages": "DIALECT_ANTHROPIC"}[path]
	if dialect == "" {
		var r struct {
			Model  string          `json:"model"`
			Prompt json.RawMessage `json:"prompt,omitempty"`
		}
		_ = json.Unmarshal([]byte(body), &r)
		out, _ := json.Marshal(r)
		return string(out)
	}
	out, _ := protojson.Marshal(&routerv1.ExplainRouteRequest{Body: &routerv1.RawBody{
		Dialect: llmv1.Dialect(llmv1.Dialect_value[dialect]), Json: body,
	}})
	return string(out)
}
