package spool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/kit/spool"
)

func open(t *testing.T, dir string, o spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func add(t *testing.T, s *spool.Spool, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := s.Append([]byte(r)); err != nil {
			t.Fatalf("append: %v", err)
		}
	}
}

// all reads what is there, from the acknowledged position on.
func all(t *testing.T, s *spool.Spool) (records []string, end spool.Position) {
	t.Helper()
	r := s.Reader()
	defer r.Close()
	for {
		record, p, ok, err := r.Next()
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if !ok {
			return records, p
		}
		records, end = append(records, string(record)), p
	}
}

func expect(t *testing.T, s *spool.Spool, want ...string) {
	t.Helper()
	if got, _ := all(t, s); !slices.Equal(got, want) {
		t.Fatalf("the log has %d records, want %d:\n%.2000q\n%.2000q", len(got), len(want), got, want)
	}
}

func numbered(n int) (records []string) {
	for i := range n {
		records = append(records, fmt.Sprintf("record %d %0*d", i, i%50, 0))
	}
	return records
}

func TestAppendAndRead(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), spool.Options{MaxBytes: 64 << 10})
	want := numbered(300)
	add(t, s, want...)
	expect(t, s, want...)
	if n, bytes := s.Pending(); n != 300 || bytes == 0 {
		t.Errorf("pending: %d records, %d bytes", n, bytes)
	}
}

func TestAcknowledgedIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, spool.Options{MaxBytes: 64 << 10})
	want := numbered(300)
	add(t, s, want...)
	r := s.Reader()
	defer r.Close()
	var p spool.Position
	for range 200 {
		_, p, _, _ = r.Next()
	}
	before := segments(t, dir)
	if err := s.Ack(p); err != nil {
		t.Fatal(err)
	}
	if after := segments(t, dir); after >= before {
		t.Errorf("%d segments before the acknowledgement, %d after", before, after)
	}
	expect(t, s, want[200:]...)
	if n, _ := s.Pending(); n != 100 {
		t.Errorf("pending: %d", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, spool.Options{})
	expect(t, s, want[200:]...)
	add(t, s, "one more")
	expect(t, s, append(slices.Clone(want[200:]), "one more")...)
}

func segments(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestAllAcknowledgedLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 5 {
		s := open(t, dir, spool.Options{})
		add(t, s, "a", "b")
		_, end := all(t, s)
		if err := s.Ack(end); err != nil {
			t.Fatal(err)
		}
		if n, bytes := s.Pending(); n != 0 || bytes != 0 {
			t.Errorf("pending: %d records, %d bytes", n, bytes)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, spool.Options{})
	expect(t, s)
	if n := segments(t, dir); n != 1 {
		t.Errorf("%d segments", n)
	}
}

func TestAnEarlierAcknowledgementChangesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), spool.Options{})
	add(t, s, "a", "b", "c")
	r := s.Reader()
	defer r.Close()
	_, first, _, _ := r.Next()
	_, second, _, _ := r.Next()
	for _, p := range []spool.Position{second, first, {}} {
		if err := s.Ack(p); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, s, "c")
}

func TestFull(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), spool.Options{MaxBytes: 64 << 10})
	record := make([]byte, 1000)
	n := 0
	for s.Room() {
		if err := s.Append(record); err != nil {
			t.Fatalf("refused although there was room: %v", err)
		}
		n++
	}
	late := 0
	for ; s.Append(record) == nil; late++ {
	}
	if late == 0 {
		t.Error("nothing was kept for the work under way")
	}
	if err := s.Append(record); !errors.Is(err, spool.ErrFull) {
		t.Errorf("error %v", err)
	}
	got, end := all(t, s)
	if len(got) != n+late {
		t.Errorf("%d records, want %d", len(got), n+late)
	}
	if err := s.Ack(end); err != nil {
		t.Fatal(err)
	}
	if !s.Room() {
		t.Error("no room after everything was acknowledged")
	}
	add(t, s, "again")
	expect(t, s, "again")
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, spool.Options{})
	for _, size := range []int{0, spool.MaxRecord + 1} {
		if err := s.Append(make([]byte, size)); !errors.Is(err, spool.ErrTooLarge) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	add(t, s, string(make([]byte, spool.MaxRecord)))
	if _, err := spool.Open(dir, spool.Options{}); !errors.Is(err, spool.ErrInUse) {
		t.Errorf("a second process: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append([]byte("late")); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("after closing: %v", err)
	}
}

func TestReaderFollows(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), spool.Options{MaxBytes: 1 << 20, SegmentBytes: 8 << 10})
	const writers, each = 16, 200
	for w := range writers {
		go func() {
			for i := range each {
				if err := s.Append(fmt.Appendf(nil, "%d/%d", w, i)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	r := s.Reader()
	defer r.Close()
	next := make([]int, writers)
	deadline := time.After(20 * time.Second)
	for got := 0; got < writers*each; {
		record, p, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			select {
			case <-deadline:
				t.Fatalf("%d records only", got)
			default:
			}
			if err := r.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var w, i int
		if _, err := fmt.Sscanf(string(record), "%d/%d", &w, &i); err != nil || next[w] != i {
			t.Fatalf("%q, want %d of %d: %v", record, next[w], w, err)
		}
		next[w]++
		got++
		if got%100 == 0 {
			if err := s.Ack(p); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLinger: a full segment ends the wait, and so does the context; a record alone doesn't.
func TestLinger(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), spool.Options{SegmentBytes: 1 << 10})
	r := s.Reader()
	defer r.Close()
	add(t, s, "a")
	began := time.Now()
	r.Linger(t.Context(), 20*time.Millisecond)
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("a record ended it after %v", took)
	}
	add(t, s, numbered(100)...)
	r.Linger(t.Context(), time.Hour)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r.Linger(ended, time.Hour)
}

func TestCheckpointIsOnlyAHint(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text string }{
		{"empty", ""}, {"cut", "1 2"}, {"flipped", "9 9 00000000\n"}, {"words", "a b c\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir, spool.Options{})
			add(t, s, "a", "b")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "acknowledged"), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			expect(t, open(t, dir, spool.Options{}), "a", "b")
		})
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	s := open(t, dir, spool.Options{})
	add(t, s, "a")
	_, end := all(t, s)
	if err := s.Ack(end); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
		}
	}
}
