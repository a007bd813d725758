package tests

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// counting is an upstream that counts how often it is asked each question.
type counting struct {
	mu    sync.Mutex
	asked map[string]int
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Messages []struct{ Content string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Messages) != 1 {
		http.Error(w, "{}", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.asked[body.Messages[0].Content]++
	c.mu.Unlock()
	time.Sleep(5 * time.Millisecond)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","model":"gpt-5","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
}

// TestOneOfTwoRoutersDies: a gateway over two routers, one of which is killed under load: no question is asked twice, every call gets
// an answer or an error, and those that come later go to the other router.
func TestOneOfTwoRoutersDies(t *testing.T) {
	t.Parallel()
	upstream := &counting{asked: make(map[string]int)}
	first := mesh.Start(t, mesh.Options{Split: true, Upstream: upstream})
	second := first.StartNode(t)
	gateway := first.StartGateway(t, first, second)
	const workers, each = 8, 60
	var answered, failed, late atomic.Int64
	var killed atomic.Bool
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := range each {
				if worker == 0 && i == each/3 {
					second.Kill(t, "router")
					killed.Store(true)
				}
				after := killed.Load() && i > each*2/3
				body := fmt.Sprintf(`{"model":"gpt-5","messages":[{"role":"user","content":"question %d of %d"}]}`, i, worker)
				resp, text, err := try(t, gateway, mesh.Key, http.MethodPost, "/v1/chat/completions", body)
				switch {
				case err != nil:
					t.Errorf("no answer at all: %v", err)
				case resp.StatusCode == 200:
					answered.Add(1)
				default:
					failed.Add(1)
					if resp.StatusCode < 500 || !strings.Contains(string(text), "error") {
						t.Errorf("%d: %s", resp.StatusCode, text)
					}
					if after {
						late.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	for question, n := range upstream.asked {
		if n > 1 {
			t.Errorf("%q was asked %d times", question, n)
		}
	}
	t.Logf("%d answered, %d failed, %d of them long after", answered.Load(), failed.Load(), late.Load())
	if late.Load() > 0 || failed.Load() > workers || answered.Load()+failed.Load() != workers*each {
		t.Errorf("%d of %d failed, %d of them long after the router died", failed.Load(), workers*each, late.Load())
	}
}
