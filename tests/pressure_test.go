package tests

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestSlowReaderHoldsProvider: a client that doesn't read stops the provider from sending, rather than filling memory
// (promise S8); when it reads on, it gets everything.
func TestSlowReaderHoldsProvider(t *testing.T) {
	t.Parallel()
	for name, split := range map[string]bool{"all": false, "split": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkSlowReader(t, split)
		})
	}
}

func checkSlowReader(t *testing.T, split bool) {
	t.Helper()
	const frames, size, most = 2000, 64 << 10, 32 << 20
	var written atomic.Int64
	frame := "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + strings.Repeat("x", size) + "\"}}]}\n\n"
	m := mesh.Start(t, mesh.Options{Split: split, Upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for range frames {
			n, err := io.WriteString(w, frame)
			if err != nil {
				return
			}
			written.Add(int64(n))
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	})})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL("/v1/chat/completions"), strings.NewReader(openAIBody("gpt-5", true)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if held := settled(&written); held > most {
		t.Errorf("the provider has sent %d MiB to a client that reads nothing", held>>20)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if want := int64(frames*len(frame) + len("data: [DONE]\n\n")); err != nil || n != want {
		t.Errorf("the client got %d of %d bytes, %v", n, want, err)
	}
}

// settled waits until a counter stands still, at most two seconds, and returns it.
func settled(counter *atomic.Int64) int64 {
	last := counter.Load()
	for range 20 {
		<-time.After(100 * time.Millisecond)
		now := counter.Load()
		if now == last {
			return now
		}
		last = now
	}
	return last
}
