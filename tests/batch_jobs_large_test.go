package tests

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestJobsLarge sends 200 MB with 50,000 lines through a split mesh and back, and watches how much memory each process
// takes. It takes minutes: HEADGATE_LARGE=1 asks for it.
func TestJobsLarge(t *testing.T) {
	if os.Getenv("HEADGATE_LARGE") == "" || testing.Short() {
		t.Skip("HEADGATE_LARGE=1 runs it")
	}
	const lines, size = 50_000, 4000
	m := mesh.Start(t, mesh.Options{Split: true, SimProcess: true, Batch: "poll_least: 500ms, poll_most: 2s"})
	k := makeKey(t, m, mesh.Key, `"name":"large","tenant":"acme"`)
	c := openAIClient(m, option.WithAPIKey(k.Secret), option.WithMaxRetries(0))
	w := watchMemory(t, m)
	began := time.Now()
	f, err := c.Files.New(t.Context(), openai.FileNewParams{File: openai.File(largeFile(lines, size), "lines.jsonl", "application/jsonl"), Purpose: openai.FilePurposeBatch})
	if err != nil {
		t.Fatal(err)
	}
	uploaded := time.Since(began)
	b, err := c.Batches.New(t.Context(), openai.BatchNewParams{InputFileID: f.ID, Endpoint: chatPath, CompletionWindow: "24h"})
	if err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Minute, "all is at the provider", func() bool {
		n := 0
		for _, j := range m.SimLedger(t).Batches {
			n += j.Lines
		}
		return n >= lines
	})
	handed := time.Since(began) - uploaded
	b = awaitOpenAI(t, c, b.ID, 10*time.Minute)
	took := time.Since(began) - uploaded - handed
	if b.Status != openai.BatchStatusCompleted || b.RequestCounts.Completed != lines {
		t.Errorf("%s", b.RawJSON())
	}
	resp, err := c.Files.Content(t.Context(), b.OutputFileID)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, results := 0, bufio.NewScanner(resp.Body)
	results.Buffer(nil, 1<<20)
	for results.Scan() {
		n++
		if !strings.Contains(results.Text(), fmt.Sprintf(`"custom_id":"l%d"`, n)) {
			t.Fatalf("line %d: %.300s", n, results.Text())
		}
	}
	if n != lines || results.Err() != nil {
		t.Errorf("%d results, %v", n, results.Err())
	}
	checkChargedOnce(t, m.SimLedger(t))
	t.Logf("%d bytes in %d lines: uploaded in %s, at the provider %s later, home again %s later", f.Bytes, lines, uploaded, handed, took)
	for name, most := range w.stop() {
		t.Logf("%s took %d MiB at most", name, most>>10)
		if limit := int64(600 << 10); name != "sim" && most > limit {
			t.Errorf("%s took %d MiB", name, most>>10)
		}
	}
}

// largeFile are lines of a size each, made as they are read.
func largeFile(lines, size int) io.Reader {
	r, w := io.Pipe()
	filler := strings.Repeat("All work and no play makes a long line. ", size/40)
	go func() {
		out := bufio.NewWriter(w)
		for i := range lines {
			if _, err := out.WriteString(chatLine(fmt.Sprintf("l%d", i+1), "gpt-5", filler[:size-200]+fmt.Sprint(i+1))); err != nil {
				return
			}
		}
		_ = out.Flush()
		_ = w.Close()
	}()
	return r
}

// memory watches the resident memory of a split mesh's processes.
type memory struct {
	done chan struct{}
	wg   sync.WaitGroup
	most map[string]int64 // in KiB
}

func watchMemory(t *testing.T, m *mesh.Mesh) *memory {
	t.Helper()
	w := &memory{done: make(chan struct{}), most: make(map[string]int64)}
	w.wg.Go(func() {
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			for _, name := range append([]string{"gateway", "sim"}, mesh.Services...) {
				w.most[name] = max(w.most[name], resident(m.Process(name).Pid))
			}
			select {
			case <-w.done:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	return w
}

func (w *memory) stop() map[string]int64 {
	close(w.done)
	w.wg.Wait()
	return w.most
}

// resident is the memory that a process has in RAM, in KiB; 0 where the system doesn't tell.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var kib int64
	_, line, _ := strings.Cut(string(text), "VmRSS:")
	_, _ = fmt.Sscan(line, &kib)
	return kib
}
