package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/headgate-mesh/headgate/services/batch/internal/store"
	"github.com/headgate-mesh/headgate/services/batch/internal/store/sqlite"
	"github.com/headgate-mesh/headgate/services/batch/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "a dir?%", "batch.db")) })
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "batch.db")
	for i := range 2 {
		s := open(t, path)
		if _, err := sqlite.Open(t.Context(), path); !errors.Is(err, sqlite.ErrInUse) {
			t.Errorf("opened twice: %v", err)
		}
		b, err := s.CreateBatch(t.Context(), store.Batch{ID: string(rune('a' + i))})
		if err != nil || b.Number != int64(i+1) {
			t.Errorf("%v %v", b.Number, err)
		}
		for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
			if info, err := os.Stat(path + suffix); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", suffix, info, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "batch.db")
	if err := os.WriteFile(path, []byte("this is no database, and long enough to be looked at"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.Open(t.Context(), path); err == nil {
		t.Error("opened", s.Close())
	}
}
