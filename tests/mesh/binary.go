// Package mesh starts the headgate binary as a user would, beside a simulator that the test can look into.
package mesh

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binary builds cmd/headgate once per test process.
type binary struct {
	once sync.Once
	path string
	err  error
	out  []byte
}

var built binary //nolint:gochecknoglobals // one build per test process

// Binary returns the path of the headgate binary: HEADGATE_BINARY, or one built from this checkout.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("HEADGATE_BINARY"); path != "" {
		return path
	}
	built.once.Do(built.build)
	if built.err != nil {
		t.Fatalf("build headgate: %v\n%s", built.err, built.out)
	}
	return built.path
}

func (b *binary) build() {
	dir, err := os.MkdirTemp("", "headgate-tests-")
	if err != nil {
		b.err = err
		return
	}
	b.path = filepath.Join(dir, "headgate")
	cmd := exec.Command("go", "build", "-o", b.path, "github.com/headgate-mesh/headgate/cmd/headgate")
	b.out, b.err = cmd.CombinedOutput()
}

// Cleanup removes what Binary built; TestMain calls it last.
func Cleanup() {
	if built.path != "" {
		_ = os.RemoveAll(filepath.Dir(built.path))
	}
}
