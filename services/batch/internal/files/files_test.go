package files_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/headgate-mesh/headgate/services/batch/internal/files"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) *files.Bucket {
	t.Helper()
	at, err := files.Directory(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := files.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func write(t *testing.T, b *files.Bucket, name, text string) *files.Writer {
	t.Helper()
	w, err := b.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestBucket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b c%")
	b := open(t, dir)
	if err := write(t, b, "file-1", "0123456789").Commit(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "file-1")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	for _, test := range []struct {
		at, size int64
		want     string
	}{{0, 10, "0123456789"}, {3, 4, "3456"}, {0, 0, ""}, {5, 6, "-"}, {20, 1, "-"}} {
		part, err := b.Part(t.Context(), "file-1", test.at, test.size)
		if (err != nil) != (test.want == "-") || (err == nil && string(part) != test.want) {
			t.Errorf("%+v: %q %v", test, part, err)
		}
	}
	if err := write(t, b, "file-1", "new").Commit(); err != nil {
		t.Fatal(err)
	}
	if part, err := b.Part(t.Context(), "file-1", 0, 3); err != nil || string(part) != "new" {
		t.Errorf("%q %v", part, err)
	}
	for range 2 {
		if err := b.Delete(t.Context(), "file-1"); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Read(t.Context(), "file-1", 0, -1); !errors.Is(err, files.ErrNotFound) {
		t.Error(err)
	}
}

// TestAbort leaves what was there, and nothing else.
func TestAbort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	if err := write(t, b, "file-1", "old").Commit(); err != nil {
		t.Fatal(err)
	}
	w := write(t, b, "file-1", "new")
	w.Abort()
	w.Abort()
	ctx, cancel := context.WithCancel(t.Context())
	left, err := b.Create(ctx, "file-2")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := left.Commit(); err == nil {
		t.Error("the caller left, and the blob is there")
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	if part, err := b.Part(t.Context(), "file-1", 0, 3); err != nil || string(part) != "old" {
		t.Errorf("%q %v", part, err)
	}
}

// TestHalfWritten: what a process that died was writing goes.
func TestHalfWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := write(t, open(t, dir), "file-1", "half")
	defer w.Abort()
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	open(t, dir)
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
}
