package batch_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/batch"
)

// TestLarge uploads large files, has them answered and reads the results back, in little memory. With BATCH_TEST_LARGE set
// they are 200 MB and 50,000 lines each, else 2 MB and 300. It runs alone, since it watches the memory of the process.
func TestLarge(t *testing.T) {
	for _, format := range []batchv1.FileFormat{batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES, batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS} {
		t.Run(format.String(), func(t *testing.T) { large(t, format) })
	}
}

func large(t *testing.T, format batchv1.FileFormat) {
	const room = 64 << 20
	lines, size := 300, 8_000
	if os.Getenv("BATCH_TEST_LARGE") != "" {
		lines, size = 50_000, 4_000
	}
	r := newRouter()
	r.forgets = true
	r.answer = func(context.Context, *routerv1.RelayRequest, string) error {
		return &reply{status: 200, body: `{"x":"` + strings.Repeat("y", size) + `"}`}
	}
	c, ctx := start(t, t.TempDir(), batch.Config{Concurrency: 32}, r), client(t, "acme")
	watch := watchHeap()
	began := time.Now()
	f, err := upload(ctx, c, &batchv1.FileDescription{Format: format}, newGenerator(format, lines, size))
	if err != nil {
		t.Fatal(err)
	}
	uploaded := time.Since(began)
	made, err := c.CreateBatch(ctx, &batchv1.CreateBatchRequest{InputFileId: f.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	b := until(ctx, t, c, made.GetBatch().GetId(), func(b *batchv1.Batch) bool { return b.GetInProgressAt() != nil || ended(b) })
	validated := time.Since(began) - uploaded
	b = until(ctx, t, c, b.GetId(), ended)
	asked := time.Since(began) - uploaded - validated
	if b.GetCounts().GetCompleted() != int64(lines) {
		t.Fatalf("%v", b)
	}
	n := 0
	stream, err := c.ReadFile(ctx, &batchv1.ReadFileRequest{Id: b.GetOutputFileId()})
	for err == nil {
		var m *batchv1.ReadFileResponse
		if m, err = stream.Recv(); err == nil {
			n += bytes.Count(m.GetData(), []byte("\n"))
		}
	}
	if n != lines {
		t.Errorf("%d lines of results: %v", n, err)
	}
	peak := watch()
	t.Logf("%d MB, %d lines: upload %v, validation %v, answers %v (%.0f lines/s), peak heap %.1f MiB over the beginning", f.GetBytes()/1e6, lines,
		uploaded.Round(time.Millisecond), validated.Round(time.Millisecond), asked.Round(time.Millisecond), float64(lines)/asked.Seconds(), float64(peak)/(1<<20))
	if peak > room {
		t.Errorf("%d MiB of heap", peak>>20)
	}
}

// generator makes a file of good requests, of about size bytes each.
type generator struct {
	format         batchv1.FileFormat
	lines, size, n int
	rest           []byte
}

func newGenerator(format batchv1.FileFormat, lines, size int) *generator {
	g := &generator{format: format, lines: lines, size: size}
	if format == batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS {
		g.rest = []byte(`{"requests":[`)
	}
	return g
}

// Read makes the next lines.
func (g *generator) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		if g.n == g.lines {
			return 0, io.EOF
		}
		g.n++
		g.rest = g.line()
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

func (g *generator) line() []byte {
	body := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"%s"}]}`, strings.Repeat("x", g.size))
	if g.format == batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES {
		return fmt.Appendf(nil, `{"custom_id":"l%d","method":"POST","url":"/v1/chat/completions","body":%s}`+"\n", g.n, body)
	}
	end := ","
	if g.n == g.lines {
		end = "]}"
	}
	return fmt.Appendf(nil, `{"custom_id":"l%d","params":%s}%s`, g.n, body, end)
}

// watchHeap returns a function that ends the watch and tells how much the heap grew at most.
func watchHeap() func() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base := int64(m.HeapAlloc)
	var peak atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), int64(m.HeapAlloc)-base))
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	return func() int64 { close(stop); wg.Wait(); return peak.Load() }
}
