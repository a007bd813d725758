package h1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/h1"
)

// dialled is a transport to addr that counts its connections.
func dialled(t *testing.T, addr string) (*h1.Transport, *atomic.Int64) {
	t.Helper()
	if !h1.Supported {
		t.Skip("not for this system")
	}
	count := new(atomic.Int64)
	tr := &h1.Transport{
		Dial: func(ctx context.Context) (net.Conn, error) {
			count.Add(1)
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		MaxIdle: 64, IdleTimeout: time.Minute, MaxHeader: 16 << 10,
	}
	t.Cleanup(tr.Close)
	return tr, count
}

// served is a transport to a server of net/http.
func served(t *testing.T, h http.HandlerFunc) (*h1.Transport, *atomic.Int64) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return dialled(t, s.Listener.Addr().String())
}

// scripted is a transport to a server that answers each request of a connection with the next of the texts, and then
// closes it.
func scripted(t *testing.T, answers ...string) (*h1.Transport, *atomic.Int64) {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { recite(conn, answers) })
		}
	})
	t.Cleanup(func() { lis.Close(); wg.Wait() })
	return dialled(t, lis.Addr().String())
}

func recite(conn net.Conn, answers []string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, answer := range answers {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(conn, answer)
	}
}

var post = h1.Request{Method: http.MethodPost, Target: "/v1?a=b", Host: "there:80", Header: http.Header{"X-One": {"1", "2"}}, Body: []byte(`{"a":1}`)}

// whole asks and reads the answer to its end.
func whole(ctx context.Context, t *testing.T, tr *h1.Transport, r h1.Request) (status int, text string) {
	t.Helper()
	resp, err := tr.RoundTrip(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestWhatIsSent(t *testing.T) {
	tr, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Method, " ", r.RequestURI, " ", r.Host, " ", r.Header["X-One"], " ", r.ContentLength, " ", string(body))
	})
	if _, got := whole(t.Context(), t, tr, post); got != `POST /v1?a=b there:80 [1 2] 7 {"a":1}` {
		t.Errorf("the server saw %s", got)
	}
	get := h1.Request{Method: http.MethodGet, Target: "/", Host: "h", Header: http.Header{"Content-Length": {"9"}, "Transfer-Encoding": {"chunked"}}}
	if _, got := whole(t.Context(), t, tr, get); got != "GET / h [] 0 " {
		t.Errorf("the server saw %s", got)
	}
}

func TestHeadersThatSplitAreRefused(t *testing.T) {
	tr, _ := served(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	for _, header := range []http.Header{{"X-A": {"1\r\nX-B: 2"}}, {"X-A\r\nX-B": {"1"}}, {"": {"1"}}} {
		r := post
		r.Header = header
		if _, err := tr.RoundTrip(t.Context(), r); !errors.Is(err, h1.ErrRequest) {
			t.Errorf("%q: %v", header, err)
		}
	}
}

// Every way in which an answer can end, twice: reused tells whether the second goes over the same connection.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer, text string
		status       int
		reused       bool
	}{
		"length":          {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200, true},
		"chunks":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", "ok", 200, true},
		"to the end":      {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", "ok", 200, false},
		"no more":         {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", 200, false},
		"an old server":   {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200, false},
		"no content":      {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, true},
		"nothing":         {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "", 500, true},
		"interim answers": {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200, true},
		"more than said":  {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", "ok", 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			answers := []string{c.answer, c.answer}
			if strings.Contains(c.answer, "close") || strings.Contains(c.answer, "HTTP/1.0") {
				answers = answers[:1]
			}
			tr, conns := scripted(t, answers...)
			for range 2 {
				if status, text := whole(t.Context(), t, tr, post); status != c.status || text != c.text {
					t.Errorf("%d %q", status, text)
				}
			}
			if got := conns.Load() == 1; got != c.reused {
				t.Errorf("%d connections", conns.Load())
			}
		})
	}
}

func TestAnswersThatFail(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":          "",
		"half a head":      "HTTP/1.1 200 OK\r\nContent-Le",
		"no HTTP":          "SSH-2.0-OpenSSH_9.2\r\n",
		"a large head":     "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 32<<10) + "\r\nContent-Length: 0\r\n\r\n",
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"interim for ever": strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20),
	} {
		t.Run(name, func(t *testing.T) {
			tr, conns := scripted(t, answer)
			if _, err := tr.RoundTrip(t.Context(), post); err == nil || conns.Load() != 1 {
				t.Errorf("%v, %d connections", err, conns.Load())
			}
		})
	}
}

func TestCutBodiesAreNoEnd(t *testing.T) {
	for name, answer := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			tr, conns := scripted(t, answer)
			for want := range int64(2) {
				resp, err := tr.RoundTrip(t.Context(), post)
				if err != nil {
					t.Fatal(err)
				}
				if data, err := io.ReadAll(resp.Body); string(data) != "ok" || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%q, %v", data, err)
				}
				resp.Body.Close()
				if conns.Load() != want+1 {
					t.Error("a cut connection was used again")
				}
			}
		})
	}
}

func TestAbandonedAnswersGiveTheConnectionUp(t *testing.T) {
	gone := make(chan struct{})
	tr, conns := served(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	})
	for want := range int64(2) {
		resp, err := tr.RoundTrip(t.Context(), post)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		<-gone
		if conns.Load() != want+1 {
			t.Errorf("%d connections", conns.Load())
		}
	}
}

func TestKeptConnectionsThatTheServerClosed(t *testing.T) {
	tr, conns := scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") // one answer, then it closes
	for range 20 {
		if _, text := whole(t.Context(), t, tr, post); text != "ok" {
			t.Errorf("%q", text)
		}
		time.Sleep(5 * time.Millisecond) // for the end to arrive
	}
	if conns.Load() != 20 {
		t.Errorf("%d connections", conns.Load())
	}
}

func TestTheEndOfTheContext(t *testing.T) {
	why := errors.New("a reason of its own")
	waiting := func(when string) (*h1.Transport, chan struct{}) {
		gone := make(chan struct{}, 1)
		tr, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // then net/http notices who leaves
			if when == "body" {
				fmt.Fprint(w, "some")
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
			gone <- struct{}{}
		})
		return tr, gone
	}
	for _, when := range []string{"head", "body"} {
		t.Run(when, func(t *testing.T) {
			tr, gone := waiting(when)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
			resp, err := tr.RoundTrip(ctx, post)
			if err == nil {
				defer resp.Body.Close()
				_, err = io.ReadAll(resp.Body)
			}
			if !errors.Is(err, why) {
				t.Errorf("error %v", err)
			}
			select {
			case <-gone:
			case <-time.After(time.Second):
				t.Error("the server wasn't told")
			}
		})
	}
	t.Run("nobody reads", func(t *testing.T) {
		tr, gone := waiting("body")
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := tr.RoundTrip(ctx, post)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		cancel()
		select {
		case <-gone:
		case <-time.After(time.Second):
			t.Error("the server wasn't told")
		}
	})
	t.Run("over before", func(t *testing.T) {
		tr, _ := waiting("head")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if _, err := tr.RoundTrip(ctx, post); !errors.Is(err, why) {
			t.Errorf("error %v", err)
		}
	})
}

func TestKeptConnectionsAreClosedInTime(t *testing.T) {
	closed := make(chan struct{}, 8)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	tr, conns := dialled(t, s.Listener.Addr().String())
	tr.IdleTimeout = 30 * time.Millisecond
	whole(t.Context(), t, tr, post)
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Error("it stays open")
	}
	if whole(t.Context(), t, tr, post); conns.Load() != 2 {
		t.Errorf("%d connections", conns.Load())
	}
	tr.Close()
	<-closed
	if whole(t.Context(), t, tr, post); conns.Load() != 3 { // a call that began before may end after
		t.Errorf("%d connections", conns.Load())
	}
	<-closed
}

// Answers never get to another request, whoever leaves at whatever moment.
func TestNoAnswerGoesAstray(t *testing.T) {
	tr, conns := served(t, func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		for range 3 {
			fmt.Fprintf(w, "%s,", data)
			_ = http.NewResponseController(w).Flush()
		}
	})
	var wg sync.WaitGroup
	var hurried, left, read atomic.Int64
	for worker := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for i := range 300 {
				id := fmt.Sprintf("%d-%d", worker, i)
				ctx, cancel := context.WithCancel(t.Context())
				if random.IntN(3) == 0 {
					hurried.Add(1)
					time.AfterFunc(time.Duration(random.IntN(500))*time.Microsecond, cancel)
				}
				r := post
				r.Body = []byte(id)
				resp, err := tr.RoundTrip(ctx, r)
				if err == nil {
					var data []byte
					if data, err = io.ReadAll(resp.Body); err == nil && string(data) != strings.Repeat(id+",", 3) {
						t.Errorf("%s got %q", id, data)
					}
					resp.Body.Close()
				}
				switch {
				case err == nil:
					read.Add(1)
				case ctx.Err() != nil:
					left.Add(1)
				default:
					t.Errorf("%s: %v", id, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if left.Load() == 0 || read.Load() == 0 || conns.Load() > hurried.Load()+8 {
		t.Errorf("%d left, %d read, %d connections", left.Load(), read.Load(), conns.Load())
	}
}
