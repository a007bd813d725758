package health_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/health"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// server answers its health check with a status, 0 for never, and counts its calls.
type server struct {
	status atomic.Int64
	calls  atomic.Int64
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/health" {
		s.calls.Add(1)
		return
	}
	if s.status.Load() == 0 {
		<-r.Context().Done()
		return
	}
	w.WriteHeader(int(s.status.Load()))
}

func start(t *testing.T, n int) (*upstream.Client, []*server) {
	t.Helper()
	var servers []*server
	var bases []string
	for range n {
		s := &server{}
		s.status.Store(http.StatusOK)
		web := httptest.NewServer(s)
		t.Cleanup(web.Close)
		servers, bases = append(servers, s), append(bases, web.URL)
	}
	c, err := upstream.New(upstream.Config{Name: "gpus", BaseURLs: bases, Authorize: func(http.Header, string) {}, Connect: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, servers
}

func options() health.Options {
	return health.Options{Interval: time.Second, Timeout: 100 * time.Millisecond, Path: "/health"}
}

// TestSickAndWell: two failures in a row make a server sick, one success makes it well.
func TestSickAndWell(t *testing.T) {
	t.Parallel()
	c, servers := start(t, 1)
	checker := health.New(c, options())
	if _, known := c.Healthy(); known {
		t.Error("known before the first check")
	}
	for i, step := range []struct {
		status int64
		well   bool
	}{
		{200, true},
		{503, true},
		{503, false},
		{503, false},
		{200, true},
		{500, true},
		{200, true},
		{500, true}, // never two in a row
		{404, true},
		{404, true}, // no such page: it is up
		{0, true},
		{0, false}, // says nothing
		{200, true},
	} {
		servers[0].status.Store(step.status)
		checker.Ask(t.Context())
		if well, known := c.Healthy(); well != step.well || !known {
			t.Errorf("step %d (%d): well %t, known %t", i, step.status, well, known)
		}
	}
}

// TestSickReplicasGetNoCalls while a well one is there; where none is, all of them do.
func TestSickReplicasGetNoCalls(t *testing.T) {
	t.Parallel()
	c, servers := start(t, 2)
	checker := health.New(c, options())
	calls := func() [2]int64 {
		for _, s := range servers {
			s.calls.Store(0)
		}
		for range 10 {
			resp, err := c.Send(context.Background(), upstream.Request{Method: http.MethodGet, Path: "/x", Header: http.Header{}})
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close() // so that the least busy one changes
		}
		return [2]int64{servers[0].calls.Load(), servers[1].calls.Load()}
	}
	check := func(first, second int64) {
		servers[0].status.Store(first)
		servers[1].status.Store(second)
		for range health.Failures {
			checker.Ask(t.Context())
		}
	}
	for _, step := range []struct {
		first, second int64
		want          [2]int64
		well          bool
	}{
		{200, 200, [2]int64{5, 5}, true},
		{503, 200, [2]int64{0, 10}, true},
		{200, 503, [2]int64{10, 0}, true},
		{503, 503, [2]int64{5, 5}, false},
		{200, 200, [2]int64{5, 5}, true},
	} {
		check(step.first, step.second)
		got := calls()
		if well, _ := c.Healthy(); got != step.want || well != step.well {
			t.Errorf("%d and %d: calls %v, well %t", step.first, step.second, got, well)
		}
	}
}

// TestRunEnds: with its context, and at once where no checks are made.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	c, _ := start(t, 1)
	health.New(c, health.Options{}).Run(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		health.New(c, options()).Run(ctx)
	}()
	for _, known := c.Healthy(); !known; _, known = c.Healthy() {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("never checked")
		}
	}
	cancel()
	<-done
}
