package mesh

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/headgate-mesh/headgate/sim"
)

// firstSim starts a simulator as a process, with a directory for its batches.
func (m *Mesh) firstSim(t testing.TB) {
	t.Helper()
	dir := t.TempDir()
	m.Upstream = FreeAddr(t)
	m.simFile = filepath.Join(dir, "sim.yaml")
	if err := os.WriteFile(m.simFile, fmt.Appendf(nil, "keys: [%q]\nbatch_dir: %q\n", ProviderKey, filepath.Join(dir, "batches")), 0o600); err != nil {
		t.Fatal(err)
	}
	m.StartSim(t)
}

// StartSim starts the simulator of Options.SimProcess anew, after Kill, with the batches that it had.
func (m *Mesh) StartSim(t testing.TB) {
	t.Helper()
	m.run(t, nil, "sim", "--config", m.simFile, "--addr", m.Upstream)
	waitFor(t, m, "http://"+m.Upstream+"/sim/stats")
}

// SimLedger is the simulator's own book of batches.
func (m *Mesh) SimLedger(t testing.TB) (l sim.Ledger) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+m.Upstream+"/sim/ledger", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&l); err != nil {
		t.Fatal(err)
	}
	return l
}
