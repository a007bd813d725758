package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	openaiRole      = `data: {"choices":[{"delta":{"role":"assistant","content":""}}]}` + "\n\n"
	openaiChunk     = `data: {"choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}]}` + "\n\n"
	openaiEnd       = `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	anthropicStart  = `data: {"type":"message_start","message":{"content":[]}}` + "\n\n"
	anthropicChunk  = "event: content_block_delta\n" + `data: {"type":"content_block_delta","delta":{"text":"word"}}` + "\n\n"
	anthropicEnd    = "event: message_stop\n" + `data: {"type":"message_stop"   }` + "\n\n"
	openaiUnary     = `{"choices":[{"message":{"content":"word"},"finish_reason":"stop"}]}`
	anthropicUnary  = `{"content":[{"type":"text","text":"word"}],"stop_reason":"end_turn"}`
	openaiKeepalive = ": keepalive\n\n"
)

var answers = map[string]struct {
	dialect dialect
	chunks  int
	body    string
	whole   bool
}{
	"openai stream":     {openai, 3, openaiRole + strings.Repeat(openaiChunk, 3) + openaiEnd, true},
	"with comments":     {openai, 2, openaiRole + openaiChunk + openaiKeepalive + openaiChunk + openaiEnd, true},
	"anthropic stream":  {anthropic, 3, anthropicStart + strings.Repeat(anthropicChunk, 3) + anthropicEnd, true},
	"openai unary":      {openai, 0, openaiUnary, true},
	"anthropic unary":   {anthropic, 0, anthropicUnary + "\n", true},
	"no end":            {openai, 3, openaiRole + strings.Repeat(openaiChunk, 3), false},
	"no message_stop":   {anthropic, 3, anthropicStart + strings.Repeat(anthropicChunk, 3), false},
	"one chunk missing": {openai, 3, openaiRole + strings.Repeat(openaiChunk, 2) + openaiEnd, false},
	"one chunk more":    {openai, 3, openaiRole + strings.Repeat(openaiChunk, 4) + openaiEnd, false},
	"a chunk too late":  {openai, 3, openaiRole + strings.Repeat(openaiChunk, 2) + openaiEnd + openaiChunk, false},
	"two ends":          {openai, 1, openaiRole + openaiChunk + openaiEnd + openaiEnd, false},
	"half a line":       {openai, 1, openaiRole + openaiChunk + openaiEnd + "data: {", false},
	"unary cut":         {openai, 0, openaiUnary[:len(openaiUnary)-1], false},
	"another document":  {openai, 0, `{}`, false},
	"empty":             {openai, 0, "", false},
}

func TestChecker(t *testing.T) {
	t.Parallel()
	for name, a := range answers {
		for _, size := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s by %d", name, size), func(t *testing.T) {
				t.Parallel()
				c := newChecker(scenario{dialect: a.dialect, chunks: a.chunks})
				for range 2 { // the second time after a reset
					c.reset()
					for body := []byte(a.body); len(body) > 0; {
						n := min(size, len(body))
						c.write(body[:n])
						body = body[n:]
					}
					if err := c.whole(); a.whole != (err == nil) || (err != nil && !errors.Is(err, errIncomplete)) {
						t.Errorf("got %v", err)
					}
				}
			})
		}
	}
}

// upstream answers every request with a body; of a stream it sends each event by itself.
func upstream(t *testing.T, status int, body string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); err != nil || !strings.HasSuffix(string(got), "}]}") || r.Header.Get("Authorization") != "Bearer "+adminKey {
			status = http.StatusBadRequest
		}
		w.WriteHeader(status)
		for event := range strings.SplitAfterSeq(body, "\n\n") {
			_, _ = io.WriteString(w, event)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestDriveCountsWholeAnswersOnly(t *testing.T) {
	t.Parallel()
	for name, a := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := upstream(t, http.StatusOK, a.body)
			s := scenario{dialect: a.dialect, conns: 2, chunks: a.chunks}
			got := drive(t.Context(), server.Listener.Addr().String(), []string{adminKey}, s, 20*time.Millisecond)
			if a.whole != (got.err == nil) {
				t.Fatalf("got %v", got.err)
			}
			if a.whole && len(got.answers) < 2 {
				t.Errorf("%d answers on two connections", len(got.answers))
			}
			for _, one := range got.answers {
				if one.total < one.first || (one.first > 0) != (a.chunks > 0) {
					t.Errorf("first content after %s, all after %s", one.first, one.total)
				}
			}
		})
	}
}

func TestDriveThroughTheProxy(t *testing.T) {
	t.Parallel()
	behind, err := url.Parse(upstream(t, http.StatusOK, answers["openai stream"].body).URL)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newProxy(behind))
	defer server.Close()
	got := drive(t.Context(), server.Listener.Addr().String(), []string{adminKey}, scenario{dialect: openai, conns: 4, chunks: 3}, 100*time.Millisecond)
	if got.err != nil || len(got.answers) < 4 {
		t.Errorf("%d answers, %v", len(got.answers), got.err)
	}
}

func TestDriveReportsAStatus(t *testing.T) {
	t.Parallel()
	server := upstream(t, http.StatusServiceUnavailable, openaiUnary)
	got := drive(t.Context(), server.Listener.Addr().String(), []string{adminKey}, scenario{dialect: openai, conns: 1}, time.Second)
	if !errors.Is(got.err, errStatus) || !strings.Contains(got.err.Error(), "503") {
		t.Errorf("got %v", got.err)
	}
}

func TestSlowScenarioAsksOnceOnEachConnection(t *testing.T) {
	t.Parallel()
	server := upstream(t, http.StatusOK, answers["openai stream"].body)
	s := scenario{dialect: openai, conns: 20, chunks: 3, delay: time.Millisecond}
	got := drive(t.Context(), server.Listener.Addr().String(), []string{adminKey}, s, 10*time.Second)
	if got.err != nil || len(got.answers) != s.conns {
		t.Errorf("%d answers, %v", len(got.answers), got.err)
	}
}

func TestDriveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until the body is read, a server doesn't notice that its client leaves
		cancel()                           // once the request is here
		<-r.Context().Done()
	}))
	defer server.Close()
	if got := drive(ctx, server.Listener.Addr().String(), []string{adminKey}, scenario{dialect: openai, conns: 3}, time.Hour); !errors.Is(got.err, context.Canceled) {
		t.Errorf("got %v", got.err)
	}
}
