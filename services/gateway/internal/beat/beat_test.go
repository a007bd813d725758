package beat_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-mesh/headgate/services/gateway/internal/beat"
)

const (
	every = 15 * time.Second
	stall = 5 * time.Minute
	tick  = time.Millisecond
	ping  = ": ping\n\n"
)

// connection is the client's side of an answer.
type connection struct {
	mu        sync.Mutex
	header    http.Header
	status    int
	sent      http.Header // as it was when the head went out
	body      strings.Builder
	flushed   int
	deadlines []time.Time
	broken    bool
}

func newConnection() *connection { return &connection{header: http.Header{"X-Request-Id": {"req_1"}}} }

func (c *connection) Header() http.Header { return c.header }

func (c *connection) WriteHeader(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		panic("the head was written twice")
	}
	c.status, c.sent = status, maps.Clone(c.header)
}

func (c *connection) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return 0, errors.New("gone")
	}
	return c.body.Write(p)
}

func (c *connection) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushed = c.body.Len()
}

func (c *connection) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadlines = append(c.deadlines, t)
	return nil
}

// read returns what the client has.
func (c *connection) read() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.body.String()[:c.flushed]
}

func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func pinging() []byte { return []byte(ping) }

// bubble runs a test of one writer against a clock that stands still unless it is waited for.
func bubble(t *testing.T, frame func() []byte, test func(t *testing.T, c *connection, w *beat.Writer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newConnection()
		w := beat.New(c, every, stall, frame)
		defer w.Stop()
		test(t, c, w)
	})
}

func expect(t *testing.T, c *connection, want string) {
	t.Helper()
	if got := c.read(); got != want {
		t.Errorf("the client has %q, want %q", got, want)
	}
}

func TestHeartbeatAfterSilence(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		if !w.Claim() {
			t.Fatal("the claim wasn't granted")
		}
		beat.EventStream(w.Header())
		_, _ = w.Write([]byte("a"))
		w.Flush()
		wait(every - tick)
		expect(t, c, "a")
		wait(tick)
		expect(t, c, "a"+ping)
		wait(every - tick)
		expect(t, c, "a"+ping)
		wait(tick)
		expect(t, c, "a"+ping+ping)
	})
}

// TestHalfALineBreak: Headgate's own frames begin a line, also for readers that know only \n and \r\n.
func TestHalfALineBreak(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		beat.EventStream(w.Header())
		_, _ = w.Write([]byte("a\r\n\r"))
		w.Flush()
		wait(every)
		expect(t, c, "a\r\n\r\n"+ping)
		_, _ = w.Write([]byte("\nb\r\n\r"))
		w.Interject([]byte("error\n\n"))
		w.Interject([]byte("again\n\n"))
		w.Flush()
		expect(t, c, "a\r\n\r\n"+ping+"\nb\r\n\r\nerror\n\nagain\n\n")
	})
}

func TestWritesPutItOff(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		beat.EventStream(w.Header())
		for range 5 {
			_, _ = w.Write([]byte("a"))
			w.Flush()
			wait(every - tick)
		}
		expect(t, c, "aaaaa")
		wait(tick)
		expect(t, c, "aaaaa"+ping)
	})
}

func TestNoneAfterStop(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		beat.EventStream(w.Header())
		_, _ = w.Write([]byte("a"))
		w.Flush()
		w.Stop()
		wait(3 * every)
		_, _ = w.Write([]byte("b")) // must not start them again
		w.Flush()
		wait(3 * every)
		expect(t, c, "ab")
		w.Stop()
	})
}

func TestNoneBeforeStop(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		w.Stop()
		wait(3 * every)
		if c.status != 0 {
			t.Errorf("status %d was written", c.status)
		}
		expect(t, c, "")
	})
}

// TestNoStream: an answer that turns out not to be a stream has no heartbeats, and keeps its head.
func TestNoStream(t *testing.T) {
	t.Parallel()
	bubble(t, func() []byte { return nil }, func(t *testing.T, c *connection, w *beat.Writer) {
		wait(3 * every)
		if c.status != 0 || !w.Claim() {
			t.Fatalf("status %d was written", c.status)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("{}"))
		w.Flush()
		wait(3 * every)
		expect(t, c, "{}")
		if c.status != http.StatusTeapot || c.sent.Get("Content-Type") != "application/json" {
			t.Errorf("%d %v", c.status, c.sent)
		}
	})
}

// TestOtherAnswers: what was committed as anything but an event stream carries no heartbeats, whatever was asked for.
func TestOtherAnswers(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{"))
		wait(3 * every)
		_, _ = w.Write([]byte("}"))
		w.Flush()
		wait(3 * every)
		expect(t, c, "{}")
	})
}

// TestEarlyCommit: a heartbeat before the head makes the answer an event stream with status 200, once and for all.
func TestEarlyCommit(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "2")
		wait(every)
		if c.status != http.StatusOK {
			t.Fatalf("status %d", c.status)
		}
		want := http.Header{
			"X-Request-Id": {"req_1"}, "Content-Type": {"text/event-stream; charset=utf-8"}, "Cache-Control": {"no-cache"},
			"X-Accel-Buffering": {"no"},
		}
		if !maps.EqualFunc(c.sent, want, slices.Equal) {
			t.Errorf("the head says %v, want %v", c.sent, want)
		}
		if w.Claim() {
			t.Error("the handler may still set headers")
		}
		w.Header().Set("X-Late", "1")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("data: x\n\n"))
		w.Flush()
		expect(t, c, ping+"data: x\n\n")
		if c.status != http.StatusOK || c.header.Get("X-Late") != "" || c.header.Get("Content-Length") != "" {
			t.Errorf("%d %v", c.status, c.header)
		}
	})
}

// TestHandlerCommits: without a claim, too, the handler's headers count where it is the first.
func TestHandlerCommits(t *testing.T) {
	t.Parallel()
	for name, commit := range map[string]func(w *beat.Writer){
		"WriteHeader": func(w *beat.Writer) { w.WriteHeader(http.StatusAccepted) },
		"Write":       func(w *beat.Writer) { _, _ = w.Write(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
				w.Header().Set("Content-Type", "x/y")
				w.Header()["X-Two"] = []string{"1", "2"}
				commit(w)
				if c.sent.Get("Content-Type") != "x/y" || len(c.sent["X-Two"]) != 2 || c.sent.Get("X-Request-Id") != "req_1" {
					t.Errorf("the head says %v", c.sent)
				}
			})
		})
	}
}

// TestClaimKeepsTheHead: once claimed, no heartbeat commits the answer, however long the handler takes.
func TestClaimKeepsTheHead(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		if !w.Claim() {
			t.Fatal("the claim wasn't granted")
		}
		wait(3 * every)
		beat.EventStream(w.Header())
		w.Header().Set("X-Provider", "p")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("a"))
		w.Flush()
		wait(every)
		expect(t, c, "a"+ping)
		if c.sent.Get("X-Provider") != "p" {
			t.Errorf("%v", c.sent)
		}
	})
}

// TestBrokenConnection: nobody goes on knocking where nobody is.
func TestBrokenConnection(t *testing.T) {
	t.Parallel()
	beats := 0
	bubble(t, func() []byte { beats++; return []byte(ping) }, func(t *testing.T, c *connection, w *beat.Writer) {
		c.mu.Lock()
		c.broken = true
		c.mu.Unlock()
		wait(10 * every)
		if beats != 1 {
			t.Errorf("%d heartbeats into a broken connection", beats)
		}
		if _, err := w.Write([]byte("a")); err == nil {
			t.Error("the handler isn't told")
		}
	})
}

// TestWriteDeadline: each write gets its time, and setting the deadline isn't repeated within a second.
func TestWriteDeadline(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		beat.EventStream(w.Header())
		start := time.Now()
		for range 100 {
			_, _ = w.Write([]byte("a"))
		}
		wait(2 * time.Second)
		_, _ = w.Write([]byte("a"))
		wait(every)
		want := []time.Time{start.Add(stall), start.Add(2*time.Second + stall), start.Add(2*time.Second + every + stall)}
		if !slices.EqualFunc(c.deadlines, want, time.Time.Equal) {
			t.Errorf("deadlines %v, want %v", c.deadlines, want)
		}
	})
}

// TestHeadAgainstHeartbeat lets both come at the same instant: one of them wins, whole.
func TestHeadAgainstHeartbeat(t *testing.T) {
	t.Parallel()
	early := 0
	for i := range 200 {
		synctest.Test(t, func(t *testing.T) {
			c := newConnection()
			w := beat.New(c, every, stall, pinging)
			<-time.After(every)
			h := w.Header() // before the claim, as grpc-gateway does
			h.Set("Content-Type", "application/json")
			if w.Claim() {
				w.Header().Set("X-Provider", fmt.Sprint(i))
			} else {
				early++
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte("x"))
			w.Flush()
			w.Stop()
			switch {
			case c.status == http.StatusOK:
				if c.read() != ping+"x" || c.sent.Get("X-Provider") != "" || !strings.HasPrefix(c.sent.Get("Content-Type"), "text/event-stream") {
					t.Errorf("%v %q", c.sent, c.read())
				}
			case c.read() != "x" || c.sent.Get("X-Provider") == "" || c.sent.Get("Content-Type") != "application/json":
				t.Errorf("%d %v %q", c.status, c.sent, c.read())
			}
		})
	}
	t.Logf("%d of 200 heartbeats came first", early)
}

// TestWritesAgainstHeartbeats: heartbeats fall between writes, never into one.
func TestWritesAgainstHeartbeats(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		beat.EventStream(w.Header())
		const frame = "data: 0123456789\n\n"
		for range 100 {
			<-time.After(every)
			if _, err := w.Write([]byte(frame)); err != nil {
				t.Fatal(err)
			}
			w.Flush()
		}
		rest := strings.ReplaceAll(strings.ReplaceAll(c.read(), frame, ""), ping, "")
		if rest != "" || strings.Count(c.read(), frame) != 100 {
			t.Errorf("something else in the stream: %q", rest)
		}
	})
}

func TestUnwrap(t *testing.T) {
	t.Parallel()
	bubble(t, pinging, func(t *testing.T, c *connection, w *beat.Writer) {
		if w.Unwrap() != http.ResponseWriter(c) {
			t.Error("it isn't the writer below")
		}
	})
}
