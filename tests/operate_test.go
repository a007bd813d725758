package tests

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestNoSecretInOutput: neither a key nor a prompt is in any log line, error or metric, plain or encoded (promise K2).
func TestNoSecretInOutput(t *testing.T) {
	t.Parallel()
	const prompt = "canary-prompt-9f8e7d6c5b4a"
	bothShapes(t, mesh.Options{Extra: "log: {level: debug}\n"}, func(t *testing.T, m *mesh.Mesh) {
		var all strings.Builder
		for _, script := range []string{"", "#status=500", "#status=401", "#garbage", "#cut=3", "#malformed=2", "#reset=3"} {
			for _, stream := range []bool{true, false} {
				body := strings.Replace(openAIBody("gpt-5"+script, stream), "Explain RAG", prompt, 1)
				status, got, err := post(m, "/v1/chat/completions", body)
				if status >= http.StatusBadRequest { // the simulator's answers quote the prompt
					all.Write(got)
				}
				if err != nil {
					all.WriteString(err.Error())
				}
			}
		}
		_, got, _ := post(m, "/v1/messages", `{"model":"claude-opus-4-6","messages":"`+prompt+`"}`)
		all.Write(got)
		all.WriteString(fetch(t, "http://"+m.Ops+"/metrics"))
		all.WriteString(m.Log())
		for _, secret := range []string{mesh.Key, mesh.ProviderKey, prompt, "a-secret-for-tests-only"} {
			for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret)} {
				if i := strings.Index(all.String(), strings.TrimRight(form, "=")); i >= 0 {
					t.Errorf("%s leaks: ...%s", secret, all.String()[max(0, i-200):i+20])
				}
			}
		}
	})
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// TestDrain: a stop signal turns readiness off first, lets a stream finish, and ends one that takes too long with an
// error frame (promise S6).
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ drain, script, end string }{
		"finishes": {"20s", "chunks=4,chunk_delay=200ms", "data: [DONE]\n\n"},
		"too long": {"300ms", "chunks=3,stall=2", `"code":"OVERLOADED"}}` + "\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mesh.Start(t, mesh.Options{Extra: "gateway: {drain: " + c.drain + "}\n"})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL("/v1/chat/completions"), strings.NewReader(openAIBody("gpt-5#"+c.script, true)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+mesh.Key)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if err := m.Process("all").Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			eventually(t, "readiness goes", func() bool {
				resp, err := http.Get("http://" + m.Ops + "/readyz")
				if err != nil {
					return true
				}
				resp.Body.Close()
				return resp.StatusCode == http.StatusServiceUnavailable
			})
			body, err := io.ReadAll(resp.Body)
			if err != nil || !strings.HasSuffix(string(body), c.end) {
				t.Errorf("%v: ...%s", err, body[max(0, len(body)-300):])
			}
		})
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within ten seconds", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// TestRouterDies: kill -9 of the router ends a stream with an error frame; the gateway says 503 until a router is back,
// and needs no restart itself.
func TestRouterDies(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Split: true})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL("/v1/messages"), strings.NewReader(chatBody("claude-opus-4-6#chunks=3,stall=4", true)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", mesh.Key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	m.Kill(t, "router")
	body, err := io.ReadAll(resp.Body)
	if err == nil && !strings.Contains(string(body), "event: error\ndata: ") {
		t.Errorf("a clean end: %s", body)
	}
	status, got, _ := post(m, "/v1/chat/completions", openAIBody("gpt-5", false))
	if status != http.StatusServiceUnavailable || !strings.Contains(string(got), "SERVICE_UNAVAILABLE") {
		t.Errorf("without a router: status %d: %s", status, got)
	}
	m.StartService(t, "router")
	eventually(t, "the gateway finds the new router", func() bool {
		status, _, _ := post(m, "/v1/chat/completions", openAIBody("gpt-5", false))
		return status == http.StatusOK
	})
}

// TestConfigCheck: a misspelt field is named with its line and the nearest name; the README's example is sound.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, want string }{
		"misspelt":   {"providers:\n  claude:\n    kind: anthropic\n    api_kye: x\n", "headgate.yaml:4: providers.claude.api_kye: unknown field; did you mean api_key?"},
		"unset":      {"providers:\n  claude: {kind: anthropic, api_key: \"${HEADGATE_TEST_UNSET}\"}\n", "HEADGATE_TEST_UNSET"},
		"no target":  {"models:\n  m: {targets: [{provider: nobody, model: x}]}\n", "headgate.yaml:2"},
		"bad number": {"gateway: {max_body: lots}\n", "gateway.max_body"},
		"sound":      {"providers:\n  claude: {kind: anthropic, api_key: x}\nmodels:\n  assistant:\n    targets:\n      - {provider: claude, model: claude-opus-4-6}\n", "1 provider, 1 model"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "headgate.yaml"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(mesh.Binary(t), "config", "check")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if !strings.Contains(string(out), c.want) || (err == nil) != (name == "sound") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestRefusesToBeOpen: off loopback there is no start without an administrator's key, nor without TLS or a word for
// plaintext.
func TestRefusesToBeOpen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ listen, want string }{
		"no key": {"{http: {addr: \"0.0.0.0:0\", plaintext: true}, grpc: {addr: \"127.0.0.1:0\"}, ops: {addr: \"127.0.0.1:0\"}}", "HEADGATE_ADMIN_KEY"},
		"no TLS": {"{http: {addr: \"0.0.0.0:0\"}}", "plaintext: true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "headgate.yaml"), []byte("listen: "+c.listen+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(mesh.Binary(t), "all")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "HEADGATE_ADMIN_KEY=")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestOwnKey: `headgate all` on loopback makes a key once, keeps it to itself, and says it in the line that uses it.
func TestOwnKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := firstWords(t, dir)
	info, err := os.Stat(filepath.Join(dir, ".headgate", "admin.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	key, err := os.ReadFile(filepath.Join(dir, ".headgate", "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(first, strings.TrimSpace(string(key))) || !strings.Contains(first, "simulator") {
		t.Errorf("it says: %s", first)
	}
	if again := firstWords(t, dir); !strings.Contains(again, strings.TrimSpace(string(key))) {
		t.Errorf("another key on the second start: %s", again)
	}
}

// firstWords starts `headgate all` with nothing configured and returns what it prints before it is asked to stop.
func firstWords(t *testing.T, dir string) string {
	t.Helper()
	cmd := exec.Command(mesh.Binary(t), "all")
	cmd.Dir = dir
	cmd.Env = []string{"HEADGATE_HTTP_ADDR=127.0.0.1:0", "HEADGATE_GRPC_ADDR=127.0.0.1:0", "HEADGATE_OPS_ADDR=127.0.0.1:0"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var words strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(words.String(), "curl") {
		n, err := out.Read(buf)
		words.Write(buf[:n])
		if err != nil {
			break
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it doesn't stop well: %v", err)
	}
	return words.String()
}
