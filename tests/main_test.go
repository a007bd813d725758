// Package tests tries Headgate from outside: the binary, over HTTP and gRPC, in one process and split, with the vendors'
// own SDKs, against a simulator that fails on demand.
package tests

import (
	"os"
	"testing"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

func TestMain(m *testing.M) {
	code := m.Run()
	mesh.Cleanup()
	os.Exit(code)
}

// bothShapes runs a test against one process and against a split mesh.
func bothShapes(t *testing.T, o mesh.Options, test func(t *testing.T, m *mesh.Mesh)) {
	t.Helper()
	for name, split := range map[string]bool{"all": false, "split": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := o
			o.Split = split
			test(t, mesh.Start(t, o))
		})
	}
}
