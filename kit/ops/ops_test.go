package ops_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-mesh/headgate/kit/ops"
)

func get(t *testing.T, h http.Handler, host, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Host = host
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	var waiting atomic.Bool
	waiting.Store(true)
	h := ops.Handler(ops.Options{Ready: func(context.Context) []string {
		if waiting.Load() {
			return []string{"keys", "router"}
		}
		return nil
	}}, true)
	if code, body := get(t, h, "x", "/readyz"); code != 503 || !strings.Contains(body, `["keys","router"]`) {
		t.Errorf("not ready: %d %s", code, body)
	}
	if code, _ := get(t, h, "x", "/healthz"); code != 200 {
		t.Errorf("alive: %d", code)
	}
	waiting.Store(false)
	if code, body := get(t, h, "x", "/readyz"); code != 200 || strings.Contains(body, "not_ready") {
		t.Errorf("ready: %d %s", code, body)
	}
}

func TestProfilesAreForLoopback(t *testing.T) {
	t.Parallel()
	cases := []struct {
		loopback   bool
		host, path string
		want       int
	}{
		{true, "127.0.0.1:9091", "/debug/pprof/", 200},
		{true, "localhost", "/debug/pprof/heap", 200},
		{true, "[::1]:9091", "/debug/pprof/goroutine?debug=1", 200},
		{true, "evil.example:9091", "/debug/pprof/", 403},
		{true, "evil.example", "/debug/pprof/heap", 403},
		{true, "127.0.0.1:9091", "/debug/pprof/cmdline", 404},
		{false, "127.0.0.1:9091", "/debug/pprof/", 404},
	}
	for _, c := range cases {
		if code, _ := get(t, ops.Handler(ops.Options{}, c.loopback), c.host, c.path); code != c.want {
			t.Errorf("%+v: %d", c, code)
		}
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "test_total"})
	registry.MustRegister(counter)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- ops.Serve(ctx, lis, ops.Options{Gatherer: registry}) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+lis.Addr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || !strings.Contains(string(body), "test_total 0") {
		t.Errorf("%s, %v", body, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
