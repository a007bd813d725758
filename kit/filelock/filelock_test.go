package filelock_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/headgate-mesh/headgate/kit/filelock"
)

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Take(path); !errors.Is(err, filelock.ErrInUse) {
		t.Errorf("taken twice: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	second, err := filelock.Take(path)
	if err != nil {
		t.Fatalf("after its release: %v", err)
	}
	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
	if err := (*filelock.Lock)(nil).Release(); err != nil {
		t.Error(err)
	}
	if _, err := filelock.Take(filepath.Join(path, "below a file")); err == nil {
		t.Error("a lock that can't be")
	}
}
