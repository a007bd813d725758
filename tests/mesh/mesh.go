package mesh

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/sim"
)

// Key is the administrator's key of every mesh.
const Key = "hg_test_administrators_key_0123456789"

// Secret is the root secret of every mesh.
const Secret = "a-secret-for-tests-only-0123456789abcdef"

// ProviderKey is the credential that the simulator accepts.
const ProviderKey = "sk-canary-provider-0123456789abcdef"

// QuickPolls are settings of batches with which a job at a provider is asked about often.
const QuickPolls = "poll_least: 50ms, poll_most: 500ms"

// Options choose a mesh.
type Options struct {
	// Split runs every service as a process of its own.
	Split bool
	// Upstream replaces the simulator: any handler that plays both vendors.
	Upstream http.Handler
	// Extra is YAML appended to the configuration, right behind the providers: indented lines add some of them. ${UPSTREAM}
	// in it is Mesh.Upstream.
	Extra string
	// Batch are settings of batches, as YAML has them within braces: "provider_batches: off". Without them jobs at providers
	// are asked about every half second at least.
	Batch string
	// SimProcess runs the simulator as a process, "sim", that keeps its batches over Kill and StartSim; Sim is nil then.
	SimProcess bool
	// Env are more environment variables, NAME=value.
	Env []string
}

// Mesh is a running headgate.
type Mesh struct {
	// HTTP, GRPC and Ops are addresses, host:port.
	HTTP, GRPC, Ops string
	// Sim is the simulator behind it; nil where Options.Upstream or SimProcess was set.
	Sim *sim.Sim
	// Upstream is the address of the simulator.
	Upstream string

	log     lockedBuffer
	procs   map[string]*exec.Cmd
	addrs   map[string]string
	ops     map[string]string
	simFile string // the simulator's, where it is a process
	file    string
	base    string // of the file, without the options' part
	options Options
}

// Services are the processes of a split mesh but for the gateway, those that are called first.
var Services = []string{"keys", "ratelimit", "cache", "usage", "router", "batch"}

// Start runs a mesh until the test ends.
func Start(t testing.TB, o Options) *Mesh {
	t.Helper()
	m := &Mesh{HTTP: FreeAddr(t), GRPC: FreeAddr(t), Ops: FreeAddr(t), procs: map[string]*exec.Cmd{}, addrs: map[string]string{}, ops: map[string]string{}}
	if o.SimProcess {
		m.firstSim(t)
	} else {
		m.startUpstream(t, o.Upstream)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "headgate.yaml")
	if err := os.WriteFile(file, []byte(m.config(dir, o.Batch)+o.Extra), 0o600); err != nil {
		t.Fatal(err)
	}
	m.file, m.options = file, o
	if !o.Split {
		m.run(t, o.Env, "all", "--config", file)
		m.waitReady(t)
		return m
	}
	for _, name := range Services {
		m.addrs[name] = FreeAddr(t)
	}
	m.addrs["router"] = m.GRPC
	for _, name := range Services {
		m.StartService(t, name)
	}
	m.run(t, m.environment(), "gateway", "--config", file)
	m.waitReady(t)
	for _, name := range Services {
		waitFor(t, m, "http://"+m.ops[name]+"/readyz")
	}
	m.waitServices(t)
	return m
}

// waitServices waits until the gateway has reached every service: it connects to each in its own time.
func (m *Mesh) waitServices(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, path := range []string{"keys", "quota", "cache/stats", "usage", "batches"} {
		for !m.reached(ctx, "/api/v1/"+path) {
			if ctx.Err() != nil {
				t.Fatalf("the gateway didn't reach %s:\n%s", path, m.Log())
			}
		}
	}
}

func (m *Mesh) reached(ctx context.Context, path string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL(path), nil)
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode != http.StatusServiceUnavailable
}

// environment tells every process of a split mesh where the others are.
func (m *Mesh) environment() []string {
	env := slices.Clone(m.options.Env)
	for name, addr := range m.addrs {
		env = append(env, "HEADGATE_"+strings.ToUpper(name)+"_ADDR="+addr)
	}
	return env
}

// StartService starts one of Services of a split mesh, the first time or again, at the same address.
func (m *Mesh) StartService(t testing.TB, name string) {
	t.Helper()
	m.ops[name] = FreeAddr(t)
	m.run(t, append(m.environment(), "HEADGATE_GRPC_ADDR="+m.addrs[name], "HEADGATE_OPS_ADDR="+m.ops[name]), append(command(name), "--config", m.file)...)
}

// command is how a service is started.
func command(name string) []string {
	if name == "usage" || name == "batch" {
		return []string{name, "serve"} // alone, it asks
	}
	return []string{name}
}

// StartNode starts another router and gateway with a rate limiter and a cache of their own beside a split mesh, over its
// keys and its ledger, until the test ends. Those of the two that are named in shared are the mesh's instead.
func (m *Mesh) StartNode(t testing.TB, shared ...string) *Mesh {
	t.Helper()
	n := &Mesh{
		HTTP: FreeAddr(t), GRPC: FreeAddr(t), Ops: FreeAddr(t), Sim: m.Sim, Upstream: m.Upstream, options: m.options, file: m.file,
		procs: map[string]*exec.Cmd{}, addrs: map[string]string{"keys": m.addrs["keys"], "usage": m.addrs["usage"]}, ops: map[string]string{},
	}
	n.options.Env = append(slices.Clone(m.options.Env), "HEADGATE_DATA_DIR="+t.TempDir())
	n.addrs["ratelimit"], n.addrs["cache"], n.addrs["router"] = FreeAddr(t), FreeAddr(t), n.GRPC
	own := slices.DeleteFunc([]string{"ratelimit", "cache", "router"}, func(name string) bool { return slices.Contains(shared, name) })
	for _, name := range shared {
		n.addrs[name] = m.addrs[name]
	}
	for _, name := range own {
		n.StartService(t, name)
	}
	n.run(t, append(n.environment(), "HEADGATE_HTTP_ADDR="+n.HTTP, "HEADGATE_OPS_ADDR="+n.Ops), "gateway", "--config", n.file)
	n.waitReady(t)
	for _, name := range own {
		waitFor(t, n, "http://"+n.ops[name]+"/readyz")
	}
	return n
}

// StartGateway starts another gateway over several routers, each of a node, until the test ends.
func (m *Mesh) StartGateway(t testing.TB, nodes ...*Mesh) *Mesh {
	t.Helper()
	n := &Mesh{
		HTTP: FreeAddr(t), Ops: FreeAddr(t), Sim: m.Sim, Upstream: m.Upstream, options: m.options, file: m.file,
		procs: map[string]*exec.Cmd{}, addrs: maps.Clone(m.addrs), ops: map[string]string{},
	}
	routers := make([]string, len(nodes))
	for i, node := range nodes {
		routers[i] = node.GRPC
	}
	n.addrs["router"] = strings.Join(routers, ",")
	n.run(t, append(n.environment(), "HEADGATE_HTTP_ADDR="+n.HTTP, "HEADGATE_OPS_ADDR="+n.Ops), "gateway", "--config", n.file)
	n.waitReady(t)
	return n
}

// Addr is where a service listens for gRPC: its own address in a split mesh, the one there is otherwise.
func (m *Mesh) Addr(name string) string {
	if addr := m.addrs[name]; addr != "" {
		return addr
	}
	return m.GRPC
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

func (m *Mesh) config(dir, batch string) string {
	return fmt.Sprintf(`data_dir: %s
secret: %s
listen:
  http: {addr: "%s"}
  grpc: {addr: "%s"}
  ops: {addr: "%s"}
peers:
  router: {address: "%s"}
batch: {%s}
providers:
  claude: {kind: anthropic, api_key: "%s", base_url: "http://%s"}
  openai: {kind: openai, api_key: "%s", base_url: "http://%s/v1"}
  vllm: {kind: vllm, api_key: "%s", endpoints: ["http://%s/vllm"]}
  tgi: {kind: tgi, api_key: "%s", endpoints: ["http://%s/tgi"]}
  compatible: {kind: openai_compatible, api_key: "%s", base_url: "http://%s/vllm/v1"}
`, dir, Secret, m.HTTP, m.GRPC, m.Ops, m.GRPC, cmp.Or(batch, QuickPolls), ProviderKey, m.Upstream, ProviderKey, m.Upstream, ProviderKey, m.Upstream, ProviderKey, m.Upstream, ProviderKey, m.Upstream)
}

func (m *Mesh) run(t testing.TB, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command(Binary(t), args...)
	cmd.Env = append(append(os.Environ(), "HEADGATE_ADMIN_KEY="+Key, "UPSTREAM="+m.Upstream), env...)
	cmd.Stdout, cmd.Stderr = &m.log, &m.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.procs[args[0]] = cmd
	t.Cleanup(func() {
		stop(cmd)
		if _, race, found := strings.Cut(m.Log(), "WARNING: DATA RACE"); found { // of a binary that was built to look for them
			t.Errorf("headgate %s has a data race:%s", args[0], race[:min(len(race), 3000)])
		}
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
	waitFor(t, m, "http://"+m.HTTP+"/readyz")
}

func waitFor(t testing.TB, m *Mesh, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if ready(ctx, url) {
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

// OpsAddrs are the addresses of operations of every process.
func (m *Mesh) OpsAddrs() []string {
	return append(slices.Collect(maps.Values(m.ops)), m.Ops)
}

// Log is everything that the processes have printed.
func (m *Mesh) Log() string { return m.log.String() }

// Process is a running process by the name of its command: all, gateway, or one of Services. In one process every name
// is that one's.
func (m *Mesh) Process(name string) *os.Process {
	if p := m.procs[name]; p != nil {
		return p.Process
	}
	return m.procs["all"].Process
}

// Kill ends a process at once, as kill -9 does, and waits until it is gone.
func (m *Mesh) Kill(t testing.TB, name string) {
	t.Helper()
	cmd := m.procs[name]
	if cmd == nil {
		cmd = m.procs["all"]
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// Configure replaces what Options.Extra appended to the configuration's file; the processes that run notice by themselves.
func (m *Mesh) Configure(t testing.TB, extra string) {
	t.Helper()
	text, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	m.base = cmp.Or(m.base, strings.TrimSuffix(string(text), m.options.Extra))
	next := m.file + ".next"
	if err := os.WriteFile(next, []byte(m.base+extra), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, m.file); err != nil {
		t.Fatal(err)
	}
}

// File is the configuration's.
func (m *Mesh) File() string { return m.file }

// StartAll starts a mesh in one process anew, after Kill, with the same configuration and data.
func (m *Mesh) StartAll(t testing.TB) {
	t.Helper()
	m.run(t, m.options.Env, "all", "--config", m.file)
	m.waitReady(t)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// ports counts through addresses below the range from which the system gives out ports by itself: one that is free now
// stays free until its process listens.
var ports atomic.Int64

const firstPort, lastPort = 12000, 32000

// FreeAddr is an address on loopback where nothing listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	for range lastPort - firstPort {
		port := firstPort + (int64(os.Getpid())*61+ports.Add(1))%(lastPort-firstPort)
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
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
