package tests

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/headgate-mesh/headgate/sim"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// fleet plays several providers at one address, each a simulator of its own under a path of its own: /cloud/v1/... is the
// one called cloud.
type fleet struct {
	sims map[string]*sim.Sim
	// before may answer in a provider's place; nil leaves all to the simulators.
	before func(w http.ResponseWriter, r *http.Request, name string) (done bool)

	mu    sync.Mutex
	asked map[string]int
	files map[string][]string // uploads, which the simulators' records leave out
}

func newFleet(t *testing.T, names ...string) *fleet {
	t.Helper()
	f := &fleet{sims: make(map[string]*sim.Sim), asked: make(map[string]int), files: make(map[string][]string)}
	for _, name := range names {
		s, err := sim.New(sim.Config{Recent: 1024})
		if err != nil {
			t.Fatal(err)
		}
		f.sims[name] = s
	}
	return f
}

// ServeHTTP implements http.Handler. Whoever isn't in the fleet is down.
func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s := f.sims[name]
	if s == nil {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodPost {
		f.mu.Lock()
		f.asked[name]++
		f.mu.Unlock()
	}
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/v1/files") {
		f.keepFile(r, name)
	}
	if f.before != nil && f.before(w, r, name) {
		_, _ = io.Copy(io.Discard, r.Body)
		return
	}
	http.StripPrefix("/"+name, s).ServeHTTP(w, r)
}

// keepFile remembers an upload.
func (f *fleet) keepFile(r *http.Request, name string) {
	body, _ := io.ReadAll(r.Body)
	r.Body = ioNop(body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[name] = append(f.files[name], string(body))
}

// count is how many calls a provider has got.
func (f *fleet) count(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[name]
}

// faults makes a provider go wrong from now on.
func (f *fleet) faults(t *testing.T, name string, script string) {
	t.Helper()
	if err := f.sims[name].SetFaults(sim.Script(script)); err != nil {
		t.Fatal(err)
	}
}

// bodies are those of all calls that a provider has got, in order, behind the files.
func (f *fleet) bodies(name string) (list []string) {
	f.mu.Lock()
	list = append(list, f.files[name]...)
	f.mu.Unlock()
	for _, r := range f.sims[name].Requests() {
		if r.Method == http.MethodPost && !strings.HasSuffix(r.Path, "/v1/files") {
			list = append(list, string(r.Body))
		}
	}
	return list
}

// last is the body of the last call that a provider has got.
func (f *fleet) last(t *testing.T, name string) string {
	t.Helper()
	list := f.bodies(name)
	if len(list) == 0 {
		t.Fatalf("%s was never asked", name)
	}
	return list[len(list)-1]
}

func ioNop(body []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }

// hangUp makes a process read its configuration again.
func hangUp(t *testing.T, m *mesh.Mesh, name string) {
	t.Helper()
	if err := m.Process(name).Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}
