package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/keys/internal/store"
	"github.com/headgate-mesh/headgate/services/keys/internal/store/sqlite"
	"github.com/headgate-mesh/headgate/services/keys/internal/store/storetest"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "keys.db")) })
}

func TestKeysOutliveTheStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a dir?with#odd %20 names", "keys.db")
	want := storetest.Key(1)
	want.Models, want.Revoked = []string{"a*"}, storetest.Now().Add(time.Second)
	s := open(t, path)
	if err := errors.Join(s.Create(t.Context(), storetest.Key(2)), s.Create(t.Context(), withModels(storetest.Key(1)))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(t.Context(), want.ID, want.Revoked); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	if got, err := s.Get(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func withModels(k store.Key) store.Key {
	k.Models = []string{"a*"}
	return k
}

// TestOnlyTheOwnerReads: the directory, the file and what SQLite puts beside it, an open file from before included.
func TestOnlyTheOwnerReads(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "keys.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	defer s.Close()
	if err := s.Create(t.Context(), storetest.Key(1)); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 4 {
		t.Errorf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
}

func TestOneProcessPerFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.db")
	first := open(t, path)
	if _, err := sqlite.Open(t.Context(), path); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("a second store: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Error(err)
	}
}

func TestFilesThatArentOurs(t *testing.T) {
	t.Parallel()
	newer := filepath.Join(t.TempDir(), "newer.db")
	db, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	noise := filepath.Join(t.TempDir(), "noise.db")
	if err := os.WriteFile(noise, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{newer, noise, t.TempDir()} {
		if s, err := sqlite.Open(t.Context(), path); err == nil {
			t.Errorf("%s opens", filepath.Base(path))
			_ = s.Close()
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "keys.db"))
	defer s.Close()
	n := 0
	for b.Loop() {
		n++
		k := storetest.Key(n)
		k.Hash[5], k.Hash[6] = byte(n>>16), byte(n>>24)
		if err := s.Create(b.Context(), k); err != nil {
			b.Fatal(err)
		}
	}
}
