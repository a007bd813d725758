package sim

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// begin starts a stream that stalls after its first event, and returns when that is there.
func begin(ctx context.Context, t *testing.T, srv *httptest.Server, path, body string) {
	t.Helper()
	res, err := srv.Client().Do(request(ctx, t, srv, http.MethodPost, path, body, "X-Sim-Script", "stall=1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if !bufio.NewScanner(res.Body).Scan() {
		t.Fatal("nothing came")
	}
}

// until asks for a page until it has a line.
func until(t *testing.T, srv *httptest.Server, path, line string) {
	t.Helper()
	var page string
	for range 1000 {
		if page = string(send(t, srv, http.MethodGet, path, "").body); strings.Contains(page, line) {
			return
		}
		<-time.After(2 * time.Millisecond)
	}
	t.Fatalf("no %q in\n%s", line, page)
}

func TestEngineQueues(t *testing.T) {
	t.Parallel()
	const body = `{"stream":true,"messages":[{"role":"user","content":"x"}]}`
	for path, names := range map[string][2]string{
		"/vllm": {`vllm:num_requests_running{engine="0",model_name="qwen3-8b"} `, `vllm:num_requests_waiting{engine="0",model_name="qwen3-8b"} `},
		"/tgi":  {"tgi_batch_current_size ", "tgi_queue_size "},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			_, srv := server(t, Config{VLLM: Engine{Slots: 2}, TGI: Engine{Slots: 2, Limit: 3}})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			begin(ctx, t, srv, path+chatPath, body)
			begin(ctx, t, srv, path+chatPath, body)
			waited := make(chan int, 1)
			go func() {
				waited <- send(t, srv, http.MethodPost, path+chatPath, `{"messages":[{"role":"user","content":"x"}]}`).StatusCode
			}()
			until(t, srv, path+"/metrics", names[0]+"2.0\n")
			until(t, srv, path+"/metrics", names[1]+"1.0\n")
			if path == "/tgi" {
				if res := send(t, srv, http.MethodPost, path+chatPath, body); res.StatusCode != 200 || !strings.Contains(string(res.body), "overloaded") {
					t.Errorf("one too many: %d %s", res.StatusCode, res.body)
				}
			}
			cancel()
			if status := <-waited; status != http.StatusOK {
				t.Errorf("who waited got %d", status)
			}
			until(t, srv, path+"/metrics", names[0]+"0.0\n")
			until(t, srv, path+"/metrics", names[1]+"0.0\n")
		})
	}
}

func TestLoadAsTold(t *testing.T) {
	t.Parallel()
	s, srv := server(t, Config{Faults: "running=7,waiting=30,kv_cache=0.75"})
	until(t, srv, "/vllm/metrics", `vllm:num_requests_waiting{engine="0",model_name="qwen3-8b"} 30.0`)
	until(t, srv, "/vllm/metrics", `vllm:kv_cache_usage_perc{engine="0",model_name="qwen3-8b"} 0.75`)
	until(t, srv, "/vllm/load", `{"server_load":37}`)
	until(t, srv, "/tgi/metrics", "tgi_queue_size 30.0")
	res := send(t, srv, http.MethodPost, "/vllm/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}]}`, "Endpoint-Load-Metrics-Format", "text")
	if got := res.Header.Get("Endpoint-Load-Metrics"); got != "TEXT named_metrics.kv_cache_usage_perc=0.75, named_metrics.num_requests_waiting=30.0" {
		t.Errorf("load in the header: %q", got)
	}
	if err := s.SetFaults("status=503"); err != nil {
		t.Fatal(err)
	}
	if res := send(t, srv, http.MethodGet, "/vllm/health", ""); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("health is %d", res.StatusCode)
	}
	if s.SetFaults("explode") == nil {
		t.Error("a word that nobody knows is taken")
	}
	if err := s.SetFaults(""); err != nil {
		t.Fatal(err)
	}
	until(t, srv, "/vllm/metrics", `vllm:prompt_tokens_total{engine="0",model_name="qwen3-8b"} 5.0`)
	until(t, srv, "/vllm/metrics", `vllm:request_success_total{engine="0",model_name="qwen3-8b",finished_reason="stop"} 1.0`)
}
