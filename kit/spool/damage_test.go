package spool_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/headgate-mesh/headgate/kit/spool"
)

// written makes a log of several segments and returns its records.
func written(t testing.TB, dir string) (records []string) {
	t.Helper()
	s, err := spool.Open(dir, spool.Options{MaxBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	records = numbered(400)
	for _, r := range records {
		if err := s.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return records
}

func files(t testing.TB, dir string) (paths []string, contents [][]byte) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("%d segments: %v", len(paths), err)
	}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, data)
	}
	return paths, contents
}

// TestFlipped flips a bit anywhere: at most the one record in which it is is lost, and that is reported.
func TestFlipped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := written(t, dir)
	paths, contents := files(t, dir)
	r := rand.New(rand.NewPCG(3, 4))
	for round := range rounds(100) {
		i := r.IntN(len(paths))
		damaged := bytes.Clone(contents[i])
		at := r.IntN(len(damaged))
		damaged[at] ^= 1 << r.IntN(8)
		put(t, paths[i], damaged)
		got, lost := reopened(t, dir)
		if missing := len(want) - len(got); missing != 1 || lost == 0 || !subset(got, want) {
			t.Fatalf("round %d: byte %d of segment %d: %d records missing, %d bytes reported", round, at, i, missing, lost)
		}
		put(t, paths[i], contents[i])
	}
}

// TestTorn cuts segments off anywhere: all records before the cut are kept, and all later segments.
func TestTorn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := written(t, dir)
	paths, contents := files(t, dir)
	r := rand.New(rand.NewPCG(5, 6))
	for round := range rounds(100) {
		i := r.IntN(len(paths))
		cut := r.IntN(len(contents[i]))
		data := bytes.Clone(contents[i][:cut])
		if round%2 == 0 { // as a power failure leaves it: zeros
			data = append(data, make([]byte, len(contents[i])-cut)...)
		}
		put(t, paths[i], data)
		got, _ := reopened(t, dir)
		if !subset(got, want) {
			t.Fatalf("round %d: records nobody wrote", round)
		}
		kept := 0
		for n, c := range contents {
			if n != i {
				kept += records(c)
			} else {
				kept += records(c[:cut])
			}
		}
		if len(got) != kept {
			t.Fatalf("round %d: %d records of segment %d cut at %d, want %d", round, len(got), i, cut, kept)
		}
		put(t, paths[i], contents[i])
	}
}

// records counts the whole frames at the beginning of a segment, in another way than the reader does.
func records(b []byte) (n int) {
	for len(b) >= 12 {
		size := 12 + int(b[8]) + int(b[9])<<8
		if size > len(b) {
			return n
		}
		b = b[size:]
		n++
	}
	return n
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func reopened(t *testing.T, dir string) (got []string, damaged int64) {
	t.Helper()
	s, err := spool.Open(dir, spool.Options{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	got, _ = all(t, s)
	if n, _ := s.Pending(); n != int64(len(got)) {
		t.Errorf("pending %d, read %d", n, len(got))
	}
	damaged = s.Damaged()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return got, damaged
}

// subset reports whether got is want with some left out.
func subset(got, want []string) bool {
	for _, g := range got {
		i := slices.Index(want, g)
		if i < 0 {
			return false
		}
		want = want[i+1:]
	}
	return true
}

func rounds(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// TestNoForgery: a record that holds a frame is never taken for that frame, however the log is damaged.
func TestNoForgery(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := t.TempDir()
	written(t, other)
	_, frames := files(t, other)
	s := open(t, dir, spool.Options{})
	add(t, s, string(frames[0]), "an honest one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	data, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	data[5] ^= 1
	put(t, paths[0], data)
	if got, lost := reopened(t, dir); !slices.Equal(got, []string{"an honest one"}) || lost < int64(len(frames[0])) {
		t.Errorf("%d records, %d bytes reported", len(got), lost)
	}
}

// FuzzOpen reads what anyone might have left in a segment.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	written(f, dir)
	paths, contents := files(f, dir)
	name := filepath.Base(paths[0])
	f.Add(contents[0][:2000])
	f.Add(contents[0][7:900])
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte("\xf5HG\xf6"), 50))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, name), data)
		got, damaged := reopened(t, dir)
		size := int64(0)
		for _, r := range got {
			size += int64(len(r)) + 12
		}
		if size+damaged != int64(len(data)) {
			t.Fatalf("%d bytes of records and %d of damage in %d", size, damaged, len(data))
		}
		s := open(t, dir, spool.Options{})
		add(t, s, "after it")
		if again, _ := all(t, s); !slices.Equal(again, append(got, "after it")) {
			t.Fatalf("%d records, then %d", len(got), len(again))
		}
	})
}
