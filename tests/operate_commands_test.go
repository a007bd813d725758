package tests

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// headgate runs a command in a directory of its own, with an environment that holds nothing else.
func headgate(t *testing.T, env []string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.Command(mesh.Binary(t), args...)
	cmd.Dir, cmd.Env = t.TempDir(), env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestConfigCheckWithoutFile: where there is no file, what is checked is the environment, and it says so.
func TestConfigCheckWithoutFile(t *testing.T) {
	t.Parallel()
	for want, env := range map[string][]string{
		"there is no headgate.yaml here: the environment alone decides, and it names no provider": nil,
		"it names 1 provider\n": {"OPENAI_API_KEY=sk-x"},
	} {
		if out, err := headgate(t, env, "config", "check"); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v: %s", env, err, out)
		}
	}
	for _, variable := range []string{"HEADGATE_HTTP_ADDR", "HEADGATE_KEYS_ADDR", "HEADGATE_REDIS_URL", "VLLM_BASE_URL"} {
		for _, args := range [][]string{{"config", "check"}, {"all"}} {
			out, err := headgate(t, []string{variable + "=nonsense"}, args...)
			if err == nil || !strings.Contains(out, "headgate: "+variable+": ") || strings.Contains(out, "headgate.yaml") || strings.Contains(out, "nonsense") {
				t.Errorf("%s, %v: %v: %s", variable, args, err, out)
			}
		}
	}
}

// TestClashIsToldAtStart, before anything is opened.
func TestClashIsToldAtStart(t *testing.T) {
	t.Parallel()
	out, err := headgate(t, []string{"HEADGATE_OPS_ADDR=127.0.0.1:8080"}, "all")
	if err == nil || !strings.Contains(out, "headgate: HEADGATE_OPS_ADDR: is the address of listen.http, too") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestSecretThatIsntKept: a key whose secret couldn't be written ends the command with an error that tells how to go on.
func TestSecretThatIsntKept(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	m := mesh.Start(t, mesh.Options{})
	var errs bytes.Buffer
	cmd := exec.Command(mesh.Binary(t), "key", "create", "--name", "z", "--addr", m.GRPC)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.TempDir(), []string{"HEADGATE_KEY=" + mesh.Key}, full, &errs
	if err := cmd.Run(); err == nil || !strings.Contains(errs.String(), "headgate key rotate key_") {
		t.Errorf("%v: %s", err, errs.String())
	}
	if out, err := headgate(t, []string{"HEADGATE_KEY=" + mesh.Key}, "key", "list", "--addr", m.HTTP); err == nil || !strings.Contains(out, "nothing answers for Headgate at "+m.HTTP) {
		t.Errorf("the HTTP port: %v: %s", err, out)
	}
	for _, args := range [][]string{{"usage"}, {"key", "list"}, {"help"}, {"config", "print"}} {
		cmd := exec.Command(mesh.Binary(t), args...)
		cmd.Dir, cmd.Env, cmd.Stdout = t.TempDir(), []string{"HEADGATE_KEY=" + mesh.Key, "HEADGATE_GRPC_ADDR=" + m.GRPC}, full
		if err := cmd.Run(); err == nil {
			t.Errorf("%v ends well without having said anything", args)
		}
	}
}

// TestForeignGateway: a process with another secret serves nobody, and both its callers and its operator are told what it is:
// no fault of a key.
func TestForeignGateway(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	web, ops := mesh.FreeAddr(t), mesh.FreeAddr(t)
	cmd := exec.Command(mesh.Binary(t), "gateway")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"HEADGATE_SECRET=another-secret-0123456789abcdefghij", "HEADGATE_ADMIN_KEY=" + mesh.Key, "HEADGATE_HTTP_ADDR=" + web, "HEADGATE_OPS_ADDR=" + ops,
	}
	for _, name := range []string{"ROUTER", "KEYS", "RATELIMIT", "CACHE", "USAGE", "BATCH"} {
		cmd.Env = append(cmd.Env, "HEADGATE_"+name+"_ADDR="+m.GRPC)
	}
	logFile := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("it doesn't stop well: %v", err)
		}
	}()
	eventually(t, "it is up", func() bool {
		resp, err := http.Get("http://" + web + "/healthz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return true
	})
	foreign := &mesh.Mesh{HTTP: web}
	for range 20 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, foreign.URL("/v1/models"), nil)
		req.Header.Set("Authorization", "Bearer "+mesh.Key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(body.String(), "credential") {
			t.Fatalf("status %d: %s", resp.StatusCode, body.String())
		}
	}
	if status, body, _ := post(foreign, "/v1/chat/completions", openAIBody("gpt-5", false)); status != http.StatusServiceUnavailable {
		t.Errorf("a chat: status %d: %s", status, body)
	}
	text, err := os.ReadFile(logFile)
	told := strings.Count(string(text), "the service at "+m.GRPC+" doesn't take this process for one of the mesh: is HEADGATE_SECRET the same?")
	if err != nil || told < 1 || told > 6 { // once for each connection, at most
		t.Errorf("told %d times: %v\n%s", told, err, text)
	}
}

// TestQuietStartAndStop: that processes of a mesh find each other in the first second, and part when they are stopped, is no
// news.
func TestQuietStartAndStop(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		name, last := "all", m.Ops
		if len(m.OpsAddrs()) > 1 {
			name, last = "router", m.GRPC
		}
		if err := m.Process(name).Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it stops", func() bool {
			conn, err := net.Dial("tcp", last)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		<-time.After(300 * time.Millisecond) // what the others say of it
		for _, news := range []string{"the feed of keys broke", "the keys service isn't heard", "code=Canceled"} {
			if i := strings.Index(m.Log(), news); i >= 0 {
				t.Errorf("it says %q:\n%s", news, m.Log())
			}
		}
	})
}
