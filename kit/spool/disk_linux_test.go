package spool_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/kit/spool"
)

// TestFileTooLarge lets a write fail in its middle, in a process of its own, since the limit holds for all of it.
func TestFileTooLarge(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "SPOOL_TEST_DIR="+t.TempDir(), "SPOOL_TEST_LIMIT=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "fine\n") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// limited is what that process does.
func limited(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := spool.Open(dir, spool.Options{MaxBytes: 1 << 20, SegmentBytes: 64 << 10})
	if err != nil {
		return err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 10_100, Max: old.Max}); err != nil {
		return err
	}
	accepted, err := untilRefused(s)
	if err == nil || errors.Is(err, spool.ErrFull) || s.Room() {
		return fmt.Errorf("refused with %w, room %t", err, s.Room())
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	return recovers(s, accepted)
}

// untilRefused appends until that fails.
func untilRefused(s *spool.Spool) (accepted []string, err error) {
	for i := 0; i < 100_000; i++ {
		record := fmt.Sprintf("record %d %0400d", i, 0)
		if err := s.Append([]byte(record)); err != nil {
			return accepted, err
		}
		accepted = append(accepted, record)
	}
	return accepted, errors.New("never refused")
}

// recovers waits for room and looks for exactly what was accepted, before and after.
func recovers(s *spool.Spool, accepted []string) error {
	for deadline := time.Now().Add(10 * time.Second); !s.Room(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New("no room again")
		}
	}
	if err := s.Append([]byte("later")); err != nil {
		return err
	}
	var got []string
	r := s.Reader()
	defer r.Close()
	for {
		record, _, ok, err := r.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		got = append(got, string(record))
	}
	if want := append(accepted, "later"); !slices.Equal(got, want) {
		return fmt.Errorf("%d records, want %d", len(got), len(want))
	}
	return nil
}

// TestDiskFull fills a real disk of one megabyte, where mounting one is allowed.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("can't mount a small disk:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s, err := spool.Open(dir, spool.Options{MaxBytes: 8 << 20, SegmentBytes: 128 << 10})
	if err != nil {
		t.Fatal(err)
	}
	late := 0
	var accepted []string
	for i := 0; ; i++ {
		record := fmt.Sprintf("record %d %0400d", i, 0)
		room := s.Room()
		err := s.Append([]byte(record))
		if err != nil {
			if room && late == 0 {
				t.Errorf("refused although there was room: %v", err)
			}
			break
		}
		accepted = append(accepted, record)
		if !room {
			late++
		}
		if i%50 == 0 {
			time.Sleep(2 * time.Millisecond) // as in life, the next segment is prepared meanwhile
		}
	}
	if late < 100 {
		t.Errorf("only %d records of work under way fitted", late)
	}
	got, end := all(t, s)
	if !slices.Equal(got, accepted) {
		t.Errorf("%d records, want %d", len(got), len(accepted))
	}
	if err := s.Ack(end); err != nil {
		t.Logf("acknowledging on the full disk: %v", err)
	}
	if err := recovers(s, nil); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
