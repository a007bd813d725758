package load_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/load"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// page is what a vLLM with two engines says.
const page = `# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen2.5 {x}"} %d.0
vllm:num_requests_waiting{engine="1",model_name="Qwen/Qwen2.5"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 90.0
vllm:num_requests_running{engine="0"} 3.0
vllm:num_requests_running{engine="1"} 2.0
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.75
process_open_fds 12
broken{ 1
vllm:num_requests_running{engine="2"} NaN
`

func newClient(t *testing.T, handlers ...http.HandlerFunc) *upstream.Client {
	t.Helper()
	var bases []string
	for _, h := range handlers {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		bases = append(bases, s.URL)
	}
	c, err := upstream.New(upstream.Config{Name: "gpus", BaseURLs: bases, Authorize: func(http.Header, string) {}, Connect: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func waiting(n *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			_, _ = fmt.Fprintf(w, page, n.Load())
		}
	}
}

func TestAskAddsUpEngines(t *testing.T) {
	t.Parallel()
	var queue atomic.Int64
	queue.Store(6)
	p := load.New(newClient(t, waiting(&queue)), load.VLLM, 0)
	if _, ok := p.Load(); ok {
		t.Error("a load before anybody was asked")
	}
	p.Ask(t.Context())
	if got, ok := p.Load(); !ok || got != (provider.Load{Running: 5, Waiting: 7, CacheUsage: 0.75, Capacity: 5}) {
		t.Errorf("%+v, %v", got, ok)
	}
}

// TestBusyReplicasGetNoCalls: a server that queues without limit is spared, and asked again when its queue is short.
func TestBusyReplicasGetNoCalls(t *testing.T) {
	t.Parallel()
	var first, second atomic.Int64
	c := newClient(t, waiting(&first), waiting(&second))
	p := load.New(c, load.VLLM, 10)
	send := func() error {
		resp, err := c.Send(context.Background(), upstream.Request{Method: http.MethodGet, Path: "/", Header: http.Header{}})
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	for _, step := range []struct {
		first, second int64
		refused       bool
	}{{0, 0, false}, {20, 0, false}, {20, 20, true}, {0, 20, false}} {
		first.Store(step.first)
		second.Store(step.second)
		p.Ask(t.Context())
		err := send()
		if refused := err != nil; refused != step.refused {
			t.Errorf("queues %d and %d: %v", step.first, step.second, err)
		}
		if f := fault.From(err); err != nil && (f.Reason != errorsv1.Reason_REASON_OVERLOADED || f.RetryAfter == 0) {
			t.Errorf("refused with %v", err)
		}
	}
}

// TestSilentReplicas: one that doesn't tell isn't taken for busy.
func TestSilentReplicas(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	p := load.New(c, load.TGI, 1)
	p.Ask(t.Context())
	if _, ok := p.Load(); ok {
		t.Error("a load of a server that doesn't tell")
	}
	resp, err := c.Send(t.Context(), upstream.Request{Method: http.MethodGet, Path: "/", Header: http.Header{}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// TestCapacity: what a server answers at once when others queue is remembered, and corrected.
func TestCapacity(t *testing.T) {
	t.Parallel()
	var running, queue atomic.Int64
	p := load.New(newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "vllm:num_requests_running %d\nvllm:num_requests_waiting %d\n", running.Load(), queue.Load())
	}), load.VLLM, 0)
	for i, step := range []struct{ running, waiting, want int64 }{
		{running: 5, want: 0},
		{running: 16, waiting: 3, want: 16},
		{running: 2, want: 16},
		{running: 24, want: 24},
		{running: 8, waiting: 1, want: 8},
		{waiting: 4, want: 8},
	} {
		running.Store(step.running)
		queue.Store(step.waiting)
		p.Ask(t.Context())
		if got, _ := p.Load(); got.Capacity != step.want {
			t.Errorf("step %d: %d, want %d", i, got.Capacity, step.want)
		}
	}
}
