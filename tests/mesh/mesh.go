package mesh

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/sim"
)

// Key is the administrator's key of every mesh.
const Key = "hg_test_administrators_key_0123456789"

// ProviderKey is the credential that the simulator accepts.
const ProviderKey = "sk-canary-provider-0123456789abcdef"

// Options choose a mesh.
type Options struct {
	// Split runs the router and the gateway as processes of their own.
	Split bool
	// Upstream replaces the simulator: any handler that plays both vendors.
	Upstream http.Handler
	// Extra is YAML appended to the configuration.
	Extra string
	// Env are more environment variables, NAME=value.
	Env []string
}

// Mesh is a running headgate.
type Mesh struct {
	// HTTP, GRPC and Ops are addresses, host:port.
	HTTP, GRPC, Ops string
	// Sim is the simulator behind it; nil where Options.Upstream was set.
	Sim *sim.Sim
	// Upstream is the address of the simulator.
	Upstream string

	log     lockedBuffer
	procs   []*exec.Cmd
	file    string
	options Options
}

// Start runs a mesh until the test ends.
func Start(t testing.TB, o Options) *Mesh {
	t.Helper()
	m := &Mesh{HTTP: freeAddr(t), GRPC: freeAddr(t), Ops: freeAddr(t)}
	m.startUpstream(t, o.Upstream)
	dir := t.TempDir()
	file := filepath.Join(dir, "headgate.yaml")
	if err := os.WriteFile(file, []byte(m.config(dir)+o.Extra), 0o600); err != nil {
		t.Fatal(err)
	}
	m.file, m.options = file, o
	if o.Split {
		m.StartRouter(t)
		m.run(t, o.Env, "gateway", "--config", file)
	} else {
		m.run(t, o.Env, "all", "--config", file)
	}
	m.waitReady(t)
	return m
}

// StartRouter starts a router of a split mesh, the first one or the next.
func (m *Mesh) StartRouter(t testing.TB) {
	t.Helper()
	m.run(t, append(slices.Clone(m.options.Env), "HEADGATE_OPS_ADDR="+freeAddr(t)), "router", "--config", m.file)
}

func (m *Mesh) startUpstream(t testing.TB, h http.Handler) {
	t.Helper()
	if h == nil {
		s, err := sim.New(sim.Config{Keys: []string{ProviderKey}})
		if err != nil {
			t.Fatal(err)
		}
		m.Sim, h = s, s
	}
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	m.Upstream = server.Listener.Addr().String()
}

func (m *Mesh) config(dir string) string {
	return fmt.Sprintf(`data_dir: %s
secret: a-secret-for-tests-only-0123456789abcdef
listen:
  http: {addr: "%s"}
  grpc: {addr: "%s"}
  ops: {addr: "%s"}
peers:
  router: {address: "%s"}
providers:
  claude: {kind: anthropic, api_key: "%s", base_url: "http://%s"}
  openai: {kind: openai, api_key: "%s", base_url: "http://%s/v1"}
  vllm: {kind: vllm, api_key: "%s", endpoints: ["http://%s/vllm"]}
  tgi: {kind: tgi, api_key: "%s", endpoints: ["http://%s/tgi"]}
  compatible: {kind: openai_compatible, api_key: "%s", base_url: "http://%s/vllm/v1"}
`, dir, m.HTTP, m.GRPC, m.Ops, m.GRPC, ProviderKey, m.Upstream, ProviderKey, m.Upstream, ProviderKey, m.Upstream, ProviderKey, m.Upstream, ProviderKey, m.Upstream)
}

func (m *Mesh) run(t testing.TB, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command(Binary(t), args...)
	cmd.Env = append(append(os.Environ(), "HEADGATE_ADMIN_KEY="+Key), env...)
	cmd.Stdout, cmd.Stderr = &m.log, &m.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.procs = append(m.procs, cmd)
	t.Cleanup(func() {
		stop(cmd)
		if t.Failed() {
			t.Logf("the end of what headgate %s said:\n%s", args[0], lastLines(m.Log(), 10))
		}
	})
}

// stop asks a process to end and insists after a while.
func stop(cmd *exec.Cmd) {
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = cmd.Process.Kill()
		<-done
	}
}

func (m *Mesh) waitReady(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if ready(ctx, "http://"+m.HTTP+"/readyz") {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("headgate didn't become ready:\n%s", m.Log())
		}
	}
}

func ready(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// URL is an address on the gateway.
func (m *Mesh) URL(path string) string { return "http://" + m.HTTP + path }

// Log is everything that the processes have printed.
func (m *Mesh) Log() string { return m.log.String() }

// Processes are the running processes, the router first in a split mesh.
func (m *Mesh) Processes() []*os.Process {
	list := make([]*os.Process, 0, len(m.procs))
	for _, p := range m.procs {
		list = append(list, p.Process)
	}
	return list
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// lockedBuffer collects output of several processes.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Clone(b.buf.String())
}
