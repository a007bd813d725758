package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	values := []int{5, 1, 4, 2, 3, 6, 7, 8, 9, 10}
	for p, want := range map[int]int{0: 1, 50: 6, 99: 10, 100: 10} {
		if got := percentile(values, p); got != want {
			t.Errorf("p%d is %d, want %d", p, got, want)
		}
	}
	if got := percentile([]int(nil), 50); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}

func TestMedianLeavesFailuresOut(t *testing.T) {
	t.Parallel()
	samples := []sample{{perSecond: 1}, {perSecond: 1000, failed: 1}, {perSecond: 2}, {perSecond: 3}}
	if got := median(samples, func(s sample) float64 { return s.perSecond }); got != 2 {
		t.Errorf("got %v", got)
	}
}

func TestClientReadsWholeAnswers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		body  string
		whole bool
	}{
		"whole": {strings.Repeat("data: {\"content\":\"x\"}\n\n", 3) + "data: [DONE]\n\n", true},
		"cut":   {"data: {\"content\":\"x\"}\n\n", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			s := scenario{model: "gpt-5", stream: true, chunks: 3}
			got := (&client{
				conn: conn, r: bufio.NewReader(conn), buf: make([]byte, 1<<10), s: s,
				request: []byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"),
			}).ask()
			if c.whole != (got.err == nil) || (!c.whole && !errors.Is(got.err, errIncomplete)) {
				t.Errorf("got %v", got.err)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	answers := []answer{{first: time.Millisecond, total: 3 * time.Millisecond}, {err: errIncomplete}}
	got := summarize(answers, time.Second, 10*time.Millisecond, scenario{chunks: 10})
	if got.perSecond != 1 || got.failed != 1 || got.cpuRequest != 10*time.Millisecond || got.cpuChunk != time.Millisecond {
		t.Errorf("got %+v", got)
	}
}
