package spool_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/kit/spool"
)

// help is the process that is killed. It appends with several goroutines and prints each record that was accepted; it
// reads, prints what it took, and acknowledges that.
func help(dir string) {
	s, err := spool.Open(dir, spool.Options{MaxBytes: 1 << 20, SegmentBytes: 16 << 10, SyncInterval: time.Millisecond})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var printing sync.Mutex
	say := func(what, name string) {
		printing.Lock()
		defer printing.Unlock()
		fmt.Println(what, name)
	}
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s/%d/%d", os.Getenv("SPOOL_TEST_ROUND"), w, i)
				if s.Append(fmt.Appendf(nil, "%s %0*d", name, i%300, 0)) == nil {
					say("accepted", name)
				}
			}
		}()
	}
	r := s.Reader()
	for n := 1; ; n++ {
		record, p, ok, err := r.Next()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if ok {
			name, _, _ := strings.Cut(string(record), " ")
			say("took", name)
		}
		if ok && n%20 == 0 {
			_ = s.Ack(p)
		}
	}
}

// TestKilled kills a process in the middle of appending and acknowledging, many times: what was accepted is in the log
// or was taken, and nothing is in the log twice.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	accepted, settled := 0, make(map[string]bool)
	for round := range rounds {
		said := killed(t, dir, round)
		s := open(t, dir, spool.Options{MaxBytes: 1 << 20})
		records, end := all(t, s)
		there := make(map[string]bool)
		for _, r := range records {
			name, _, _ := strings.Cut(r, " ")
			if there[name] {
				t.Fatalf("%s came twice", name)
			}
			there[name] = true
		}
		for name := range said["took"] {
			settled[name] = true
		}
		for name := range said["accepted"] {
			if accepted++; !there[name] && !settled[name] {
				t.Fatalf("round %d: %s was accepted and is lost", round, name)
			}
		}
		if round%3 == 0 { // the other rounds leave a backlog to the next one
			for name := range there {
				settled[name] = true
			}
			if err := s.Ack(end); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d records accepted in %d rounds", accepted, rounds)
	if accepted < rounds {
		t.Errorf("only %d records were accepted", accepted)
	}
}

// killed runs the helper for a while and returns what it said.
func killed(t *testing.T, dir string, round int) map[string]map[string]bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "SPOOL_TEST_DIR="+dir, "SPOOL_TEST_ROUND="+strconv.Itoa(round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := map[string]map[string]bool{"accepted": {}, "took": {}}
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == 200+37*round { // it is in the middle of something
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		what, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[what][name] = true
	}
	_ = cmd.Wait()
	return said
}
